"""The page for a phone at the track: reads what the car has, and starts the commands of this program."""
