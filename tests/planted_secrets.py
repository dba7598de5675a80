"""Secrets that a test plants, and the places where none of them may be found."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil

from tray.files.reading import read_regular

INTERVAL = 0.02  # s between two looks at the processes
SHARED = {"token-of-the-tests", "s3cret-of-the-service"}  # of many tests: `fakes.TOKEN` and `fake_services.SECRET`
WRITTEN = ("tray.log", "audit.jsonl", "cache.json", "channels.json", "endpoint", "devices.json", "history.db")
LEFT_OUT = {"node_modules", ".git", "site-packages"}


def spellings(secret: str) -> set[bytes]:
    """Return a secret as texts contain it: plain, in a URL, in JSON, in hex, and at any place of a text in base64."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), raw.hex().encode()}
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + raw)
        inside = encoded[(0, 2, 3)[before] : len(encoded) // 4 * 4 - 4]  # without what depends on its neighbours
        found |= {inside, inside.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


class PlantedSecrets:
    """Secrets by what they are."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = dict(secrets)

    def found_in(self, text: bytes) -> set[str]:
        """Return which of them a text contains."""
        return {name for name, secret in self.secrets.items() if any(each in text for each in spellings(secret))}

    def in_files(self, folder: Path, allowed: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
        """Yield path and secret for each file that contains one. `allowed`: what files may hold, by path."""
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                name = file.relative_to(folder).as_posix()
                for secret in sorted(
                    self.found_in(name.encode() + b"\n" + file.read_bytes()) - set(allowed.get(name, ()))
                ):
                    yield name, secret


class ProcessWatch:
    """Collects arguments, titles and environments of processes that descend from this one, while it runs."""

    def __init__(self) -> None:
        self.arguments: set[str] = set()
        self.environments: dict[str, dict[str, str]] = {}  # by the arguments of the process
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ending.wait(INTERVAL):
            for process in psutil.Process().children(recursive=True):
                try:
                    line = f"{process.name()} {' '.join(process.cmdline())}"
                    if line not in self.arguments:
                        self.arguments.add(line)
                        self.environments[line] = process.environ()
                except psutil.Error:
                    continue


def left_tokens(base: Path) -> list[str]:
    """Return the files of trays in temporary folders of tests that contain a token, other than the token's own file."""
    tokens, files = set(SHARED), []
    for folder, folders, names in os.walk(base):
        folders[:] = [name for name in folders if name not in LEFT_OUT and not (Path(folder) / name).is_symlink()]
        files += [Path(folder) / name for name in names if name.startswith(WRITTEN)]
        if "token" in names and folder.endswith("opencode-tray"):
            with suppress(OSError, UnicodeDecodeError):
                tokens.add((Path(folder) / "token").read_text(encoding="utf-8").strip())
    wanted = [token.encode() for token in tokens if token.isprintable() and len(set(token)) > 4]  # not damaged ones
    return [str(file) for file in files if _contains(file, wanted)]


def _contains(file: Path, wanted: list[bytes]) -> bool:
    try:
        content = read_regular(file)
    except OSError:
        return False
    return any(token in content for token in wanted)
