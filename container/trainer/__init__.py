"""The trainer: makes a model for the car out of shards. It runs in the container, never on the car."""
