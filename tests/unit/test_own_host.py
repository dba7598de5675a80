"""What a request calls the listener: only names and addresses that lead to it by a way that we know of."""

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
def test_loopback_and_localhost_are_ours_wherever_we_listen(header: str, bound: str) -> None:
    assert is_own_host(header, bound, [bound], "mybox")


@pytest.mark.parametrize("header", NEVER)
@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "192.0.2.7", "0.0.0.0", "::"])  # noqa: S104
def test_a_foreign_name_and_what_is_no_host_are_never_ours(header: str, bound: str) -> None:
    assert not is_own_host(header, bound, [bound], "mybox")


@pytest.mark.parametrize("header", OTHERS)
@pytest.mark.parametrize(("asked", "bound"), [("127.0.0.1", ["127.0.0.1"]), ("localhost", ["127.0.0.1", "::1"])])
def test_who_listens_on_loopback_is_not_reached_by_another_address(header: str, asked: str, bound: list[str]) -> None:
    assert not is_own_host(header, asked, bound, "mybox")


@pytest.mark.parametrize("header", ["192.0.2.7", "192.0.2.7:41235", "mybox", "MyBox.:41235"])
def test_who_listens_on_one_address_is_reached_by_it_and_by_the_machines_name(header: str) -> None:
    assert is_own_host(header, "192.0.2.7", ["192.0.2.7"], "mybox")


@pytest.mark.parametrize("header", ["192.0.2.8", "100.64.1.2:41235", "0.0.0.0", "[2001:db8::7]"])  # noqa: S104
def test_who_listens_on_one_address_is_not_reached_by_another(header: str) -> None:
    assert not is_own_host(header, "192.0.2.7", ["192.0.2.7"], "mybox")


@pytest.mark.parametrize("header", ["[2001:db8::7]:41235", "[2001:DB8:0::7]"])
def test_an_ipv6_address_is_the_same_however_it_is_written(header: str) -> None:
    assert is_own_host(header, "2001:db8::7", ["2001:db8::7"], "mybox")


@pytest.mark.parametrize("header", ["192.0.2.8:41235", "[2001:db8::7]", "mybox:41235", "0.0.0.0"])  # noqa: S104
def test_who_listens_everywhere_is_reached_by_every_address(header: str) -> None:
    assert is_own_host(header, "0.0.0.0", ["0.0.0.0"], "mybox")  # noqa: S104


def test_a_name_that_was_asked_for_is_ours_though_it_is_loopbacks() -> None:
    assert is_own_host("mybox:41235", "MyBox", ["127.0.1.1"], "mybox")
