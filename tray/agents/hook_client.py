"""Post to the hook socket. As a script, it takes the place of curl in a hook.

    python -I -S hook_client.py SOCKET AGENT SECONDS PID < PAYLOAD

The script runs outside the package: this module imports only what starts fast. It is silent and exits with 0 whatever
happens.
"""

from __future__ import annotations

import contextlib
import socket
import sys

PROBE_TIMEOUT = 1  # s for the tray to answer a call that is not held; else it is hung


def post(path: str, target: str, body: bytes, timeout: float | None, header: str = "") -> tuple[int, bytes]:
    """Post to the socket at `path`; return the HTTP status (0: none) and the content. Raises OSError.

    `timeout` is in s; None waits without a limit. `header` is one line, without its end.
    """
    if sys.platform == "win32":
        raise OSError("Windows has no hook socket yet")
    head = f"POST {target} HTTP/1.0\r\nContent-Length: {len(body)}\r\n" + (f"{header}\r\n" if header else "") + "\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        connection.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    status, _, content = answer.partition(b"\r\n\r\n")
    words = status.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, content


def main(path: str, agent: str, seconds: str, pid: str) -> None:
    """Pass the hook on standard input to the tray, and print the answer. A hung tray is not waited for."""
    if float(seconds) > PROBE_TIMEOUT:
        post(path, "/", b"", PROBE_TIMEOUT)
    status, content = post(path, f"/hook/{agent}", sys.stdin.buffer.read(), float(seconds), f"X-Pid: {pid}")
    if status == 200:
        sys.stdout.buffer.write(content)


if __name__ == "__main__":
    with contextlib.suppress(Exception):
        main(*sys.argv[1:])
