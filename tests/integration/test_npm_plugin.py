"""The real OpenCode installs the plugin as an npm package that opencode.json names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_server import ModelServer
from npm_registry import NpmRegistry
from opencode import LAST_YEAR, NEWEST, OLDEST, OpenCode
from tray_process import Home
from waiting import until

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(180)]


class TrayAndOpenCode:
    """A tray, and an OpenCode that installs packages from a private registry."""

    def __init__(self, version: str, folder: Path, model: ModelServer, registry: NpmRegistry, *, file: bool) -> None:
        self.tray = Home(folder / "tray")
        self.tray.path.mkdir()
        self.tray.tray("--no-notify")
        environment = {"OPENCODE_TRAY_TOKEN_FILE": str(self.tray.path / "data/opencode-tray/token")}
        self.opencode = OpenCode(version, folder / "home", model.port, environment, plugin=file)
        self.opencode.install_npm_plugin(registry.url)

    def close(self) -> None:
        self.opencode.kill()
        self.tray.stop()

    def servers(self) -> list[dict[str, Any]]:
        return [server for server in self.tray.status()["servers"] if server["connected"]]

    def complete_a_turn(self) -> None:
        session = self.opencode.session()
        self.opencode.prompt(session, {"words": 3})
        until(lambda: self.tray.session(session).get("status") == "completed", deadline=30)


@pytest.fixture
def registry() -> Iterator[NpmRegistry]:
    with NpmRegistry() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, registry: NpmRegistry) -> Iterator[Callable[..., TrayAndOpenCode]]:
    made: list[TrayAndOpenCode] = []
    with ModelServer() as model:

        def make(version: str, *, file: bool) -> TrayAndOpenCode:
            made.append(TrayAndOpenCode(version, tmp_path, model, registry, file=file))
            made[-1].opencode.serve()
            return made[-1]

        yield make
        for desk in made:
            desk.close()


def has_tarball(registry: NpmRegistry) -> bool:
    return any(path.endswith(".tgz") for path in registry.requests)


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR, OLDEST])
def test_opencode_installs_and_loads_the_npm_package(
    desk: Callable[..., TrayAndOpenCode], registry: NpmRegistry, version: str
) -> None:
    made = desk(version, file=False)
    made.complete_a_turn()
    assert has_tarball(registry)
    assert len(made.servers()) == 1


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR, OLDEST])
def test_with_the_file_and_the_npm_package_one_plugin_is_connected(
    desk: Callable[..., TrayAndOpenCode], registry: NpmRegistry, version: str
) -> None:
    made = desk(version, file=True)
    assert has_tarball(registry) == (version != LAST_YEAR)  # which prefers the file, as both have the same name
    made.complete_a_turn()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert len(made.servers()) == 1
