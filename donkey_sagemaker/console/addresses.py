"""Under which addresses the console is reached in a network, and the QR code of one."""

import io
import socket
import struct
import sys
from typing import List

_SIOCGIFADDR = 0x8915  # asks Linux for the address of a network interface
_UNLIKELY = ("lo", "docker", "br-", "veth", "virbr", "tun", "tailscale", "wg")
LOOPBACK = "127.0.0.1"


def lan_addresses() -> List[str]:
    """The IPv4 addresses of this machine, those of Wi-Fi first; it need not be connected to anything."""
    found = []
    if sys.platform.startswith("linux"):
        names = [name for _number, name in socket.if_nameindex() if not name.startswith(_UNLIKELY)]
        for name in sorted(names, key=lambda each: not each.startswith("wl")):
            address = _address_of(name)
            if address:
                found.append(address)
        return found
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(("192.0.2.1", 9))  # sends nothing: the system only chooses its own address
            found.append(str(udp.getsockname()[0]))
        except OSError:
            pass  # there is no network
    return found


def _address_of(interface: str) -> str:
    """Empty for an interface without one."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            answer = fcntl.ioctl(udp.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def draw_qr(text: str) -> str:
    """The QR code as lines of half blocks."""
    import segno

    lines = io.StringIO()
    segno.make(text, error="l").terminal(out=lines, compact=True, border=2)
    return lines.getvalue()
