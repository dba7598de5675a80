"""The network of another machine: a namespace of Linux with an address of its own, and a virtual cable. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


def ip(*words: str) -> None:
    """Run a command of `ip`. Raises CalledProcessError."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def network_namespace(name: str, near: str, far: str) -> Iterator[str]:
    """Make a namespace of this name, with the address `far` there and `near` here, and remove it afterwards.

    The ends of the cable are called `name` with "n" (here) and "f" (there): at most 15 characters.
    """
    here, there = f"{name}n", f"{name}f"
    try:
        ip("netns", "add", name)
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        ip("address", "add", f"{near}/30", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", name, "address", "add", f"{far}/30", "dev", there)
        ip("-n", name, "link", "set", there, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        for words in (("netns", "del", name), ("link", "del", here)):  # processes there may still hold the namespace
            subprocess.run(["ip", *words], check=False, capture_output=True)
