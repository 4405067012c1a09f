"""The car: its configuration, runtime, manage.py, models and jobs. Only this package knows donkeycar."""
