"""Trainings on another machine over OpenSSH: the car's side of it, and the program that runs there."""
