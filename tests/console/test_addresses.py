"""Addresses in a network, and the QR code."""

import ipaddress

import pytest

from donkey_sagemaker.console.addresses import draw_qr, lan_addresses


def test_addresses_are_of_this_machine() -> None:
    """Whatever networks it has; never the loopback, which no phone can reach."""
    for address in lan_addresses():
        assert not ipaddress.ip_address(address).is_loopback


def test_qr_code() -> None:
    """It fits a terminal of 80 columns and 24 lines."""
    pytest.importorskip("segno")
    lines = draw_qr("http://192.168.100.200:8890/enter?token=abcdefghijklmnopqrstuv").splitlines()
    assert len(lines) <= 24 and {len(line) for line in lines} != {0}
    assert max(map(len, lines)) <= 80
