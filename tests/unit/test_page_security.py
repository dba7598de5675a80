"""Which `Host`, `Origin` and content types the page's server takes, and what its headers forbid."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tray.surfaces.page.security import CSP, check_request, is_own_authority, outside_host

PORT = 41236
OWN = f"127.0.0.1:{PORT}"
BROWSER = {"User-Agent": "Mozilla/5.0"}


@pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}", f"127.0.0.9:{PORT}"])
def test_loopback_names_with_the_port_are_own(host: str) -> None:
    assert is_own_authority(host, PORT)


@pytest.mark.parametrize(
    "host",
    [
        "", ":", "127.0.0.1", "localhost", "127.0.0.1:41235", f"evil.example:{PORT}", f"localhost.evil.example:{PORT}",
        f"100.64.1.2:{PORT}", f"0.0.0.0:{PORT}", f"::1:{PORT}", f"[::]:{PORT}", f"mybox:{PORT}", f"127.0.0.1:{PORT}0",
        f"127.0.0.1@evil.example:{PORT}", f"127.0.0.1:+{PORT}", f"127.0.0.1: {PORT}", f"2130706433:{PORT}",
    ],
)  # fmt: skip
def test_other_hosts_are_foreign(host: str) -> None:
    assert not is_own_authority(host, PORT)
    with pytest.raises(web.HTTPMisdirectedRequest):
        check_request(make_mocked_request("GET", "/", {"Host": host}), PORT)


@pytest.mark.parametrize(
    "origin",
    ["null", "http://127.0.0.1:41235", f"https://{OWN}", f"http://localhost:{PORT}", "http://evil.example", "", OWN],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_foreign_origin_is_refused(origin: str, method: str) -> None:
    request = make_mocked_request(method, "/api/me", {"Host": OWN, "Origin": origin})
    with pytest.raises(web.HTTPForbidden):
        check_request(request, PORT)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
@pytest.mark.parametrize("browser", [BROWSER, {"Sec-Fetch-Mode": "cors"}])
def test_a_browser_has_to_name_its_origin_when_it_changes_something(method: str, browser: dict[str, str]) -> None:
    headers = {"Host": OWN, "Content-Type": "application/json", **browser}
    with pytest.raises(web.HTTPForbidden):
        check_request(make_mocked_request(method, "/api/pair", headers), PORT)
    check_request(make_mocked_request(method, "/api/pair", {**headers, "Origin": f"http://{OWN}"}), PORT)


def test_a_browsers_websocket_has_to_name_its_origin() -> None:
    headers = {"Host": OWN, "Upgrade": "websocket", **BROWSER}
    with pytest.raises(web.HTTPForbidden):
        check_request(make_mocked_request("GET", "/ws", headers), PORT)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_is_taken(kind: str) -> None:
    request = make_mocked_request("POST", "/api/pair", {"Host": OWN, "Content-Type": kind})
    with pytest.raises(web.HTTPUnsupportedMediaType):
        check_request(request, PORT)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_reads_no_data(site: str) -> None:
    headers = {"Host": OWN, "Sec-Fetch-Site": site}
    with pytest.raises(web.HTTPForbidden):
        check_request(make_mocked_request("GET", "/api/me", headers), PORT)
    check_request(make_mocked_request("GET", "/", headers), PORT)  # a link may lead to the page


TUNNEL = "quiet-river.trycloudflare.com"


@pytest.mark.parametrize(
    "host", [f"{TUNNEL}:443", f"{TUNNEL}:{PORT}", f"{TUNNEL}.", f"x.{TUNNEL}", TUNNEL.upper(), "", "trycloudflare.com"]
)
def test_of_a_tunnel_only_the_exact_name_is_own(host: str) -> None:
    check_request(make_mocked_request("GET", "/", {"Host": TUNNEL}), PORT, "", {TUNNEL})
    for names in ({TUNNEL}, set()):
        with pytest.raises(web.HTTPMisdirectedRequest):
            check_request(make_mocked_request("GET", "/", {"Host": host}), PORT, "", names)


@pytest.mark.parametrize(
    "origin", [f"http://{TUNNEL}", f"https://{OWN}", f"http://{OWN}", "https://evil.example", "null"]
)
def test_the_origin_of_a_tunnel_is_its_name_over_https(origin: str) -> None:
    headers = {"Host": TUNNEL, "Content-Type": "application/json", **BROWSER}
    check_request(
        make_mocked_request("POST", "/api/pair", {**headers, "Origin": f"https://{TUNNEL}"}), PORT, "", {TUNNEL}
    )
    with pytest.raises(web.HTTPForbidden):
        check_request(make_mocked_request("POST", "/api/pair", {**headers, "Origin": origin}), PORT, "", {TUNNEL})


def test_a_request_is_from_outside_by_the_name_of_the_tunnel_or_by_signs_of_a_proxy() -> None:
    def outside(names: set[str], **headers: str) -> str:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return outside_host(make_mocked_request("GET", "/", sent), names)

    assert outside({TUNNEL}, Host=TUNNEL) == TUNNEL
    assert outside({TUNNEL}, Host=OWN) == ""
    for sign in ("X_Forwarded_For", "Tailscale_User_Login", "Forwarded", "CF_Connecting_IP", "X_Forwarded_Host"):
        assert outside({TUNNEL}, Host=OWN, **{sign: "127.0.0.1"}) == "a proxy"
        assert outside(set(), Host=OWN, **{sign: "127.0.0.1"}) == ""


def test_the_policy_allows_own_files_only() -> None:
    assert "unsafe" not in CSP
    sources = {source for directive in CSP.split("; ") for source in directive.split()[1:]}
    assert sources == {"'none'", "'self'", "'script'", "worker"}
