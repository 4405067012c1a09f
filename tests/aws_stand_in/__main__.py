"""Serves until standard input is closed, which happens when the process of the tests ends."""

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
    os._exit(0)  # hanging requests would wait for clients that no longer exist


main()
