"""The car this runs on: its app, its runtime, its models. The only place that knows donkeycar."""
