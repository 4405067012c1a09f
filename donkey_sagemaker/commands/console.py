"""sagemaker-console: a page for a phone, from the tub to the installed model."""

import argparse
import os
import shlex
import sys
from typing import List

from .. import atomic
from ..contract import MYCONFIG_NAME
from ..errors import BadInput
from ..ui import PlainUi, make_ui
from ._options import add_car_options

HELP = (
    "Serves a page for a phone: the tubs with what was found in them, training, the running job, models side "
    "by side, rollback and doctor. Only this machine can open it, unless you add --lan."
)
PORT = 8890  # donkeycar's own page has 8887
_KEEPS = 10  # of niceness: the car drives first


class NoTornado(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "The console needs tornado, and this Python does not have it.",
            "Install it: `python -m pip install tornado`",
        )


class PortTaken(BadInput):
    def __init__(self, port: int, error: OSError) -> None:
        super().__init__(
            f"The console cannot listen on port {port}: {error.strerror}.",
            f"If another console runs, stop it, or choose another port: --port={port + 1}",
        )


class NoSuchPort(BadInput):
    def __init__(self, port: int) -> None:
        super().__init__(f"There is no port {port}.", f"Choose one from 1024 to 65535: --port={PORT}")


class NoUnixSystem(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "The console does not run on Windows itself.", "Run it inside WSL: see docs/pc-and-car.md."
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lan",
        action="store_true",
        help="let phones in the same network open the page, with a key that only you get",
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"the port to listen on (default: {PORT})")
    parser.add_argument(
        "--new-key",
        action="store_true",
        help="make a new key: every phone must open the new address",
    )
    parser.add_argument(
        "--service",
        action="store_true",
        help="only write a unit of systemd that starts the console, and show how to install it",
    )
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    if sys.platform == "win32":
        raise NoUnixSystem
    if not 0 <= arguments.port < 2**16:
        raise NoSuchPort(arguments.port)
    from ..console.car_reader import CarReader

    reader = CarReader(car_path, myconfig=arguments.myconfig, local=arguments.local)
    car = reader.car()
    if arguments.service:
        write_service(ui, car.path, _options_of(arguments))
        return 0
    car.ensure_state()
    car.check_state()
    try:
        import tornado  # noqa: F401
    except ImportError as error:
        raise NoTornado from error
    from ..console.access import Keys, make_token, own_names, read_token
    from ..console.addresses import LOOPBACK, lan_addresses
    from ..console.handlers import make_application
    from ..console.server import open_sockets, serve
    from ..console.web import Console

    folder = car.state_path("console")
    token = (None if arguments.new_key else read_token(folder)) or make_token(folder)
    try:
        sockets = open_sockets(arguments.port, address="0.0.0.0" if arguments.lan else LOOPBACK)
    except OSError as error:
        raise PortTaken(arguments.port, error) from error
    port = sockets[0].getsockname()[1]
    names = own_names()
    hosts = (lan_addresses() or names[-1:]) if arguments.lan else [LOOPBACK]
    os.nice(max(0, _KEEPS - os.nice(0)))
    console = Console(reader, Keys(token), names=names, port=port)
    serve(
        make_application(console), sockets, on_start=lambda: show_addresses(ui, hosts, port=port, token=token)
    )
    ui.print("The console has ended. Commands that it has started go on.")
    return 0


def show_addresses(ui: PlainUi, hosts: List[str], *, port: int, token: str) -> None:
    """Where the console is, with the key; in a network also as a QR code."""
    from ..console.addresses import LOOPBACK, draw_qr

    addresses = [f"http://{host}:{port}/enter?token={token}" for host in hosts]
    ui.print("Open this on the phone:" if hosts[0] != LOOPBACK else "Open this in a browser on this machine:")
    for address in addresses:
        ui.print_exactly("  " + address)
    if hosts[0] != LOOPBACK:
        ui.print_exactly(draw_qr(addresses[0]))
    ui.print("Whoever has this address can train and change models. Ctrl-C ends the console.")


def _options_of(arguments: argparse.Namespace) -> List[str]:
    options = ["--lan"] * arguments.lan + ["--local"] * arguments.local
    if arguments.port != PORT:
        options.append(f"--port={arguments.port}")
    if arguments.myconfig != MYCONFIG_NAME:
        options.append(f"--myconfig={arguments.myconfig}")
    return options


def write_service(ui: PlainUi, car_path: str, options: List[str]) -> None:
    """Writes the unit into the car's folder; root must install it."""
    from ..console.service import UNIT_NAME, make_unit

    path = os.path.join(car_path, UNIT_NAME)
    atomic.write_text(path, make_unit(car_path, options))
    ui.print(f"Written: {path}. To start the console whenever this machine is switched on:")
    ui.print_command(f"sudo cp {shlex.quote(path)} /etc/systemd/system/")
    ui.print_command(f"sudo systemctl enable --now {UNIT_NAME}")
    ui.print("Its address and QR code:")
    ui.print_command(f"journalctl -u {UNIT_NAME} -n 40 --no-pager")
