"""Codes pair one browser, once and within a minute; devices log in, have scopes, and can be revoked."""

from __future__ import annotations

import hmac
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tray.core.devices import Scope, device_token
from tray.core.handshake import Side, proof
from tray.storage.devices import StoredDevices, read_devices
from tray.surfaces.page.access import CODE_LIFETIME, MAX_DEVICES, Access, AccessError
from tray.surfaces.page.logins import MAX_OFFERED, MAX_USED
from tray.surfaces.page.rates import MINUTE, Rate
from tray.system.tcp_peer import may_be_own_user
from waiting import run

TRAY = "token-of-the-tray"
HOST, BROWSER_NONCE = "127.0.0.1:41236", "ab" * 16
AT = 1_795_237_290_000


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path, clock: Clock) -> Access:
    return Access(tmp_path / "data" / "devices.json", lambda: TRAY, clock)


def login(access: Access, device_id: str, token: str, host: str = HOST) -> str:
    """Log in as a browser that has this token and this address."""
    offer = access.offer_login(device_id, HOST, BROWSER_NONCE)
    assert offer is not None
    return proof(Side.BROWSER, token, host, BROWSER_NONCE, offer.nonce)


def test_a_code_pairs_one_device_once(access: Access) -> None:
    code = access.new_code(Scope.ACT)
    device, token = run(access.pair(code, "Firefox on Linux", "127.0.0.1"))
    assert (device.name, device.scope, device.created) == ("Firefox on Linux", Scope.ACT, AT)
    assert access.device_of(login(access, device.id, token), "127.0.0.1") == device
    with pytest.raises(AccessError, match="was used or is older"):
        run(access.pair(code, "Thief", "127.0.0.1"))


@pytest.mark.fault
def test_a_code_ends_when_the_clock_is_set_back(access: Access, clock: Clock) -> None:
    code = access.new_code(Scope.ACT)
    clock.now -= 86_400_000
    with pytest.raises(AccessError, match="was used or is older"):
        run(access.pair(code, "Firefox", "127.0.0.1"))


def test_a_code_ends_after_a_minute(access: Access, clock: Clock) -> None:
    code = access.new_code(Scope.ACT)
    clock.now += CODE_LIFETIME
    with pytest.raises(AccessError):
        run(access.pair(code, "Late", "127.0.0.1"))


@pytest.mark.parametrize("code", ["", "x", "é", "\ud800"[:0] + "a" * 22])
def test_a_wrong_code_pairs_nothing(access: Access, code: str) -> None:
    access.new_code(Scope.ACT)
    with pytest.raises(AccessError):
        run(access.pair(code, "Guess", "127.0.0.1"))
    assert access.devices == ()


def test_codes_and_tokens_are_long_and_never_the_same(access: Access) -> None:
    codes = {access.new_code(Scope.ACT) for _ in range(16)}
    assert len(codes) == 16
    assert min(map(len, codes)) == 22  # 128 bits in base64
    _, token = run(access.pair(codes.pop(), "A", ""))
    assert len(token) == 64  # 256 bits in hex


def test_the_file_is_private_and_holds_no_token(access: Access, tmp_path: Path) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", "127.0.0.1"))
    path = tmp_path / "data" / "devices.json"
    text = path.read_text(encoding="utf-8")
    assert token not in text
    assert TRAY not in text
    assert device_token(TRAY, device.id) == token
    assert sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_devices(path, TRAY) == (StoredDevices((device,)), "")


def test_devices_are_read_again_but_not_those_of_another_tray_token(access: Access, tmp_path: Path) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", ""))
    path = tmp_path / "data" / "devices.json"
    again, rotated = Access(path, lambda: TRAY, Clock()), Access(path, lambda: "another", Clock())
    assert (run(again.load()), run(rotated.load())) == ("", "")
    assert again.device_of(login(again, device.id, token), "") is not None
    assert rotated.offer_login(device.id, HOST, BROWSER_NONCE) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"tray_token": 1, "devices": []}', b"[]"])
def test_a_damaged_file_is_reported_and_accepts_nothing(access: Access, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data" / "devices.json"
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    assert "all devices have to pair again" in run(access.load())
    assert access.devices == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_file_that_others_can_read_is_not_used(access: Access, tmp_path: Path) -> None:
    run(access.pair(access.new_code(Scope.ACT), "A", ""))
    (tmp_path / "data" / "devices.json").chmod(0o644)
    assert "other users can read" in run(access.load())


def test_a_revoked_device_is_unknown_and_reported(access: Access) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", ""))
    revoked: list[frozenset[str]] = []
    used, unused = (login(access, device.id, token) for _ in range(2))
    assert access.device_of(used, "") is not None
    access.revoked = revoked.append
    assert run(access.revoke(device.id[:6])) == device
    assert revoked == [frozenset({device.id})]
    assert access.device_of(used, "") is None
    assert access.device_of(unused, "") is None
    assert access.offer_login(device.id, HOST, BROWSER_NONCE) is None
    with pytest.raises(AccessError, match="no device"):
        run(access.revoke(device.id))
    with pytest.raises(AccessError):
        run(access.revoke(""))


def test_revoking_all_voids_unused_codes_as_well(access: Access) -> None:
    code = access.new_code(Scope.ACT)
    for name in "AB":
        run(access.pair(access.new_code(Scope.ACT), name, ""))
    assert run(access.revoke_all()) == 2
    with pytest.raises(AccessError):
        run(access.pair(code, "C", ""))


def test_the_number_of_devices_is_bounded(access: Access) -> None:
    for number in range(MAX_DEVICES):
        run(access.pair(access.new_code(Scope.ACT), str(number), ""))
    with pytest.raises(AccessError, match="revoke one"):
        run(access.pair(access.new_code(Scope.ACT), "more", ""))


def test_a_hostile_name_is_one_short_line(access: Access) -> None:
    device, _ = run(access.pair(access.new_code(Scope.ACT), "a\n\x1b[31m\u202e" + "x" * 5000, ""))
    assert device.name.isprintable()
    assert len(device.name) <= 60


def test_last_seen_follows_the_clock_and_the_address(access: Access, clock: Clock) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", "127.0.0.1"))
    key = login(access, device.id, token)
    clock.now += 30_000
    seen = access.device_of(key, "127.0.0.1")
    assert seen is not None
    assert seen.last_seen == device.last_seen
    clock.now += 60_000
    seen = access.device_of(key, "127.0.0.2")
    assert seen is not None
    assert (seen.last_seen, seen.address) == (clock.now, "127.0.0.2")


def test_the_tray_proves_the_token_for_the_host_and_the_nonce_of_the_browser(access: Access) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", ""))
    offer = access.offer_login(device.id, HOST, BROWSER_NONCE)
    assert offer is not None
    message = f"opencode-tray page\n{HOST}\n{BROWSER_NONCE}\n{offer.nonce}".encode()
    assert offer.proof == hmac.new(token.encode(), message, "sha256").hexdigest()
    again = access.offer_login(device.id, HOST, BROWSER_NONCE)
    assert again is not None
    assert again.nonce != offer.nonce


def test_a_login_is_for_one_host_and_comes_from_the_token(access: Access) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", ""))
    for wrong in (
        login(access, device.id, token, "127.0.0.1:41237"),
        login(access, device.id, TRAY),
        login(access, device.id, device_token(TRAY, "another")),
        token,
        "",
        "é",
    ):
        assert access.device_of(wrong, "") is None
    offer = access.offer_login(device.id, HOST, BROWSER_NONCE)
    assert offer is not None
    assert access.device_of(offer.proof, "") is None  # what the tray sends


def test_the_logins_of_a_device_are_limited_and_a_flood_ends_none_that_is_used(access: Access) -> None:
    device, token = run(access.pair(access.new_code(Scope.ACT), "A", ""))
    used, unused = login(access, device.id, token), login(access, device.id, token)
    assert access.device_of(used, "") is not None
    for _ in range(MAX_OFFERED):
        access.offer_login(device.id, HOST, BROWSER_NONCE)
    assert access.device_of(unused, "") is None
    assert access.device_of(used, "") is not None
    for _ in range(MAX_USED):
        assert access.device_of(login(access, device.id, token), "") is not None
    assert access.device_of(used, "") is None


@pytest.mark.parametrize("scope", list(Scope))
def test_scopes_include_the_weaker_ones(scope: Scope) -> None:
    order = list(Scope)
    assert [other for other in order if scope.allows(other)] == order[: order.index(scope) + 1]


def test_a_rate_forgets_after_a_minute_and_counts_each_key() -> None:
    time = [0.0]
    rate = Rate(2, lambda: time[0])
    for number in range(5):
        assert rate.count("a") == min(number, 3)
        rate.add("a")
    assert rate.count("b") == 0
    time[0] = MINUTE
    assert rate.count("a") == 0


def test_an_unknown_connection_is_not_refused() -> None:
    assert may_be_own_user(("127.0.0.1", 1), ("127.0.0.1", 2))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_peer_of_a_connection_is_recognized(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port)) as client:
            assert may_be_own_user((host, port), client.getsockname()[:2])
        if os.getuid() == 0:  # root can act as another user
            connect = f"exec 3<>/dev/tcp/{host}/{port}; read -u 3"
            other = subprocess.Popen(["/bin/bash", "-c", connect], user=65534)
            try:
                accepted = [server.accept() for _ in range(2)]
                assert not may_be_own_user((host, port), accepted[1][1][:2])
            finally:
                other.kill()
                other.wait()
                for connection, _ in accepted:
                    connection.close()
