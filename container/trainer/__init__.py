"""The trainer: shards in, a model that the car reads out. Runs in the container, never on the car."""
