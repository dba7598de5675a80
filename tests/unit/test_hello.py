"""The server that a `hello` frame describes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tray.core.servers import Server
from tray.sources.plugin.handshake import decode_hello

NONCE = "0" * 64


def server(**fields: Any) -> Server:
    hello = {"type": "hello", "protocol": 2, "instance": "a", "nonce": NONCE, "serverId": "box-42", **fields}
    return decode_hello(json.dumps(hello).encode()).to_server("a", "127.0.0.1", verified=True, at=0)


def test_the_process_id_is_that_of_hello_or_of_the_server_id() -> None:
    assert server(pid=7).pid == 7
    assert (server().pid, server().host) == (42, "box")
    assert (server(serverId="box").pid, server(serverId="box").host) == (0, "box")


@pytest.mark.parametrize("fields", [{"pid": -1}, {"pid": 2**31}, {"pid": 10**30}, {"serverId": f"box-{10**30}"}])
def test_a_process_id_out_of_range_is_unknown(fields: dict[str, Any]) -> None:
    assert server(**{"serverId": "box", **fields}).pid == 0


@pytest.mark.parametrize("directory", ["/srv/shop", "/srv/shop/", "C:\\work\\shop"])
def test_a_server_without_a_name_has_the_name_of_its_directory(directory: str) -> None:
    assert server(directory=directory).name == "shop"


def test_lone_surrogates_in_a_hello_are_replaced() -> None:
    assert server(serverName="shop \ud83d").name == "shop \ufffd"
