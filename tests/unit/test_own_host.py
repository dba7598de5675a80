"""Which `Host` headers the listener accepts."""

from __future__ import annotations

import pytest

from tray.sources.plugin.own_host import is_own_host

LOOPBACK = [
    "127.0.0.1", "127.0.0.1:41235", "127.0.0.1.", "127.0.0.1.:41235", "127.9.9.9:80", "localhost", "LOCALHOST:41235",
    "localhost.", "localhost.:41235", "[::1]", "[::1]:41235", "[0:0:0:0:0:0:0:1]:1", "[::ffff:127.0.0.1]:41235",
    "[::FFFF:7F00:1]",
]  # fmt: skip
NEVER = [
    "", " ", ":", ":41235", "evil.example", "evil.example:41235", "localhost.evil.example", "127.0.0.1.evil.example",
    "127.1", "2130706433", "0x7f000001", "::1", "[", "[]", "[::bad", "[::1", "::1]", "[::1]x", "[127.0.0.1",
    "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:123456", "evil.example@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1/x",
    "127.0.0.1 x", "127.0.0.1\n", "localhost..", "mybox.example",
]  # fmt: skip
OTHERS = ["100.64.1.2", "100.64.1.2:41235", "169.254.1.1", "0.0.0.0", "0.0.0.0:41235", "[::]", "[fe80::1]", "mybox"]  # noqa: S104


@pytest.mark.parametrize("header", LOOPBACK)
@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "192.0.2.7", "0.0.0.0", "::"])  # noqa: S104
def test_loopback_addresses_and_localhost_are_always_accepted(header: str, bound: str) -> None:
    assert is_own_host(header, bound, [bound], "mybox")


@pytest.mark.parametrize("header", NEVER)
@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "192.0.2.7", "0.0.0.0", "::"])  # noqa: S104
def test_foreign_names_and_invalid_headers_are_never_accepted(header: str, bound: str) -> None:
    assert not is_own_host(header, bound, [bound], "mybox")


@pytest.mark.parametrize("header", OTHERS)
@pytest.mark.parametrize(("asked", "bound"), [("127.0.0.1", ["127.0.0.1"]), ("localhost", ["127.0.0.1", "::1"])])
def test_a_loopback_listener_has_no_other_address(header: str, asked: str, bound: list[str]) -> None:
    assert not is_own_host(header, asked, bound, "mybox")


@pytest.mark.parametrize("header", ["192.0.2.7", "192.0.2.7:41235", "mybox", "MyBox.:41235"])
def test_a_listener_has_its_bound_address_and_the_machines_name(header: str) -> None:
    assert is_own_host(header, "192.0.2.7", ["192.0.2.7"], "mybox")


@pytest.mark.parametrize("header", ["192.0.2.8", "100.64.1.2:41235", "0.0.0.0", "[2001:db8::7]"])  # noqa: S104
def test_a_listener_on_one_address_has_no_other_address(header: str) -> None:
    assert not is_own_host(header, "192.0.2.7", ["192.0.2.7"], "mybox")


@pytest.mark.parametrize("header", ["[2001:db8::7]:41235", "[2001:DB8:0::7]"])
def test_all_spellings_of_the_bound_ipv6_address_are_accepted(header: str) -> None:
    assert is_own_host(header, "2001:db8::7", ["2001:db8::7"], "mybox")


@pytest.mark.parametrize("header", ["192.0.2.8:41235", "[2001:db8::7]", "mybox:41235", "0.0.0.0"])  # noqa: S104
def test_a_listener_on_all_addresses_has_every_address(header: str) -> None:
    assert is_own_host(header, "0.0.0.0", ["0.0.0.0"], "mybox")  # noqa: S104


def test_the_configured_name_is_accepted_by_a_loopback_listener() -> None:
    assert is_own_host("mybox:41235", "MyBox", ["127.0.1.1"], "mybox")
