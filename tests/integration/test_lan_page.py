"""The page on the local network over HTTPS, for a client that trusts the authority of this machine."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from tray.system.lan_address import lan_address
from tray.system.own_authority import fingerprint
from tray_process import Home, read_until


class LanHome(Home):
    """A running tray whose page is encrypted on the local network."""

    def start_tray(self) -> None:
        settings = self.settings
        settings.parent.mkdir(parents=True)
        settings.write_text("[page]\nlan = true\nhttps = true\n", encoding="utf-8")
        self.tray("--no-notify")
        shown = self.run("phone", "--json", "--port", str(self.port))
        assert shown.returncode == 0, shown
        result = json.loads(shown.stdout)["result"]
        assert result["way"] == "lan-https"
        self.page, _, self.code = result["address"].partition("#c=")
        self.note = result["note"]
        found = re.search(r"http://\S+/", self.note)
        assert found is not None
        self.steps = found[0]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[LanHome]:
    if not lan_address():
        pytest.skip("this machine is in no local network")
    home = LanHome(tmp_path)
    try:
        home.start_tray()
        yield home
    finally:
        home.stop()


def get(url: str, trusted: bytes = b"", body: Any = None, **headers: str) -> tuple[int, bytes, str]:
    """Return status, body and content type. `trusted` is a certificate authority in DER."""
    context = None
    if url.startswith("https:"):
        context = ssl.create_default_context(cadata=trusted or None)
    content = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **headers} if body is not None else headers
    request = urllib.request.Request(url, content, sent)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:  # noqa: S310
            return answer.status, answer.read(), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers.get_content_type()


def test_a_phone_that_trusts_the_downloaded_certificate_reads_and_pairs(home: LanHome) -> None:
    assert home.page.startswith(f"https://{lan_address()}:")
    status, certificate, kind = get(f"{home.steps}ca.crt")
    assert (status, kind) == (200, "application/x-x509-ca-cert")
    shown = fingerprint(ssl.DER_cert_to_PEM_cert(certificate).encode())
    assert home.note.endswith(f"has to be {shown}")
    assert get(f"{home.page}health", certificate)[:2] == (200, b'{"ok": true}')
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        get(f"{home.page}health")
    browser = {"User-Agent": "Mozilla/5.0", "Origin": home.page.rstrip("/")}
    pairing = {"code": home.code, "name": "My phone"}
    for origin in (home.page.rstrip("/").replace("https", "http"), "https://evil.example", "null"):
        assert get(f"{home.page}api/pair", certificate, pairing, **{**browser, "Origin": origin})[0] == 403
    for host in ("evil.example", f"evil.example:{home.page.split(':')[2].rstrip('/')}", "192.0.2.1:80"):
        assert get(f"{home.page}health", certificate, Host=host)[0] == 421
    assert get(f"{home.page}api/pair", certificate, pairing, **browser)[0] == 202


def test_beside_it_there_is_only_the_certificate_unencrypted(home: LanHome) -> None:
    status, text, kind = get(home.steps)
    assert (status, kind) == (200, "text/html")
    assert str(lan_address()) in text.decode()
    for path in ("health", "api/me", "app/main.js", "ca.key", "ca.crt/", "authority.key"):
        assert get(home.steps + path)[0] == 404
    assert get(f"{home.steps}ca.crt", body={})[0] == 404
    assert get(f"{home.steps}ca.crt", Host="evil.example")[0] == 421
    with pytest.raises((urllib.error.URLError, RemoteDisconnected, ConnectionError)):
        get(home.page.replace("https", "http"))
    with pytest.raises(urllib.error.URLError):
        get(f"http://{lan_address()}:{home.port}/")


def test_on_this_machine_the_page_is_as_before_and_a_restart_keeps_the_certificate(home: LanHome) -> None:
    own = home.run("open", "--print", "--port", str(home.port)).stdout.partition("#")[0]
    assert get(f"{own}health")[0] == 200
    assert own.startswith("http://127.0.0.1:")
    certificate = get(f"{home.steps}ca.crt")[1]
    home.kill()
    home.tray("--no-notify")
    note = json.loads(home.run("phone", "--json", "--port", str(home.port)).stdout)["result"]["note"]
    assert fingerprint(ssl.DER_cert_to_PEM_cert(certificate).encode()) in note


def test_the_terminal_shows_the_steps(home: LanHome) -> None:
    process = home.start("phone", "--port", str(home.port), PYTHONUNBUFFERED="1")
    text = " ".join(read_until(process, "Ctrl-C ends this").split())
    assert f"open {home.steps} on the phone" in text
    assert "SHA-256 fingerprint" in text
