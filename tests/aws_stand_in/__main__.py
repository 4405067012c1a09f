"""Serves until standard input ends, which it does when the tests' process does, however it ends."""

import os
import sys

from .server import StandInServer
from .world import World


def main() -> None:
    world = World(sys.argv[1])
    server = StandInServer(world)
    server.start()
    print(server.endpoint_url, flush=True)
    sys.stdin.read()
    world.end_jobs()
    os._exit(0)  # requests that a fault keeps hanging would wait for clients that are gone


main()
