"""The encryption of notifications, the proof of their sender, and the addresses that are called."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from push_service import PlayedBrowser, verified
from tray.surfaces.channels import web_push
from tray.surfaces.channels.push_endpoint import EndpointError, check_endpoint
from waiting import run

# RFC 8291, section 5 and appendix A
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SECRET, SALT = "BTBZMqHH6r4Tts7J_aSIgg", "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_a_message_is_encrypted_as_in_the_example_of_the_standard() -> None:
    sender = ec.derive_private_key(int.from_bytes(web_push.decoded(SENDER)), ec.SECP256R1())
    content = b"When I grow up, I want to be a watermelon"
    found = web_push.encrypted(content, BROWSER, SECRET, sender, web_push.decoded(SALT))
    assert web_push.encoded(found) == BODY


def test_the_longest_message_fits_into_what_push_services_take() -> None:
    keys = PlayedBrowser().subscription("")["keys"].values()
    body = web_push.encrypted(b"x" * web_push.MAX_CONTENT, *keys, web_push.new_sender(), bytes(16))
    assert len(body) <= web_push.RECORD_SIZE
    with pytest.raises(ValueError, match="at most"):
        web_push.encrypted(b"x" * (web_push.MAX_CONTENT + 1), *keys, web_push.new_sender(), bytes(16))


@pytest.mark.parametrize(("key", "secret"), [("", SECRET), ("x", SECRET), (BROWSER[:-4], SECRET), (SECRET, BROWSER)])
def test_keys_that_are_not_valid_are_refused(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        web_push.encrypted(b"", key, secret, web_push.new_sender(), bytes(16))


def test_the_sender_proves_itself_to_this_push_service_for_less_than_a_day() -> None:
    key = web_push.new_key()
    claims = verified(web_push.authorization("https://fcm.googleapis.com/fcm/send/abc", key, 1_000_000))
    assert claims["aud"] == "https://fcm.googleapis.com"
    assert 0 < claims["exp"] - 1_000_000 < 24 * 3600
    assert claims["sub"].startswith("https://")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://web.push.apple.com/abc",
        "https://wns2-par02p.notify.windows.com/w/?token=abc",
    ],
)
def test_the_push_services_of_the_browsers_are_called(endpoint: str) -> None:
    run(check_endpoint(endpoint))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "https://user:secret@fcm.googleapis.com/x",
        "https://fcm.googleapis.com.example/x",
        "https://push.apple.com.example/x",
        "https://evilpush.apple.com.example/x",
        "file:///etc/passwd",
        "https:///x",
        "https://[x",
        "https://fcm.googleapis.com/" + "x" * 1000,
        "",
    ],
)
def test_other_addresses_are_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "10.0.0.7")
    with pytest.raises(EndpointError):
        run(check_endpoint(endpoint))


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "fd00::1"])
def test_a_name_that_stands_for_an_address_inside_the_network_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves_to(monkeypatch, "93.184.215.14", address)
    with pytest.raises(EndpointError, match="not on the Internet"):
        run(check_endpoint("https://push.example.org/x"))
    resolves_to(monkeypatch, "93.184.215.14")
    run(check_endpoint("https://push.example.org/x"))


def test_a_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(EndpointError, match="is not known"):
        run(check_endpoint(f"https://{'x' * 64}.example/x"))


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def found(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
