"""Which hosts are loopback, and how a server on this machine is reached."""

from __future__ import annotations

import pytest

from tray.core.loopback import connect_host, is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.254",
        "::1",
        "[::1]",
        "0:0:0:0:0:0:0:1",
        "::1%lo",
        "::ffff:127.0.0.1",
        "localhost",
        "LocalHost",
        "localhost.",
    ],
)
def test_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",  # noqa: S104
        "::",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "10.0.0.1",
        "127.0.0.1.example.com",
        "127.1",
        "localhost.example.com",
        "build-box",
        "fe80::1",
    ],
)
def test_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("bound", "host"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "192.0.2.1")],  # noqa: S104
)
def test_a_server_on_all_addresses_is_reached_at_loopback(bound: str, host: str) -> None:
    assert connect_host(bound) == host
