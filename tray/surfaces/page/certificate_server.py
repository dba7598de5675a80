"""A server without encryption, from which a phone gets the certificate that it has to trust, and nothing else."""

from __future__ import annotations

from html import escape

from aiohttp import web

from tray.surfaces.page.security import HEADERS

PATH = "/ca.crt"
STOP_TIMEOUT = 0.5  # s
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>OpenCode Tray: certificate</title>
<main><h1>Trust the page of OpenCode Tray</h1>
<p>Once for each phone. The certificate is valid for <b>{names}</b> only, for no other page.</p>
<p><a href="/ca.crt"><b>Download the certificate</b></a></p>
<h2>iPhone, iPad</h2>
<ol><li>Allow the download. Open <i>Settings</i>, <i>General</i>, <i>VPN &amp; Device Management</i>, choose the
profile, and install it.</li>
<li>Turn it on in <i>Settings</i>, <i>General</i>, <i>About</i>, <i>Certificate Trust Settings</i>.</li></ol>
<h2>Android</h2>
<ol><li>Open <i>Settings</i>, and search for <i>CA certificate</i>.</li>
<li>Choose <i>Install anyway</i>, and the file <i>ca.crt</i> in your downloads.</li></ol>
<h2>Before you trust it</h2>
<p>Compare the SHA-256 fingerprint in its details with the one that <b>opencode-tray phone</b> shows on the computer.
This page is not encrypted: others in the network could have sent you another certificate.</p></main></html>"""


class CertificateServer:
    """Serves one file, and the steps to install it."""

    def __init__(self, certificate: bytes, names: str) -> None:
        """`certificate` is DER; `names` are those for which it is valid."""
        self._certificate = certificate
        self._text = _PAGE.format(names=escape(names))
        self._runner: web.ServerRunner | None = None
        self._authority = ""  # the `Host` that is taken

    async def start(self, address: str, port: int) -> int:
        """Accept connections; return the port. Raises OSError."""
        self._runner = runner = web.ServerRunner(
            web.Server(self._answer, access_log=None), shutdown_timeout=STOP_TIMEOUT
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError:
            await runner.cleanup()
            raise
        bound = int(runner.addresses[0][1])
        self._authority = f"{address}:{bound}"
        return bound

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        headers = {**HEADERS, "Cache-Control": "no-store"}
        if request.headers.get("Host") != self._authority:
            return web.Response(status=421, headers=headers)
        if request.method != "GET" or request.path not in ("/", PATH):
            return web.Response(status=404, headers=headers)
        if request.path == PATH:
            kind = "application/x-x509-ca-cert"  # with which phones offer to install it
            return web.Response(body=self._certificate, content_type=kind, headers=headers)
        return web.Response(text=self._text, content_type="text/html", headers=headers)
