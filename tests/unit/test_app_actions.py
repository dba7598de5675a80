"""Commands for the tray itself that fail: the result contains the error."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tray.actions.app_actions import AppActions
from tray.core.commands import AppCommand, CommandResult, InstallPlugin, OpenSettings, RotateToken
from tray.core.settings import parse_settings
from tray.storage.token import Token
from tray.system.paths import Paths


def execute(paths: Paths, command: AppCommand) -> CommandResult:
    settings = parse_settings({}, "", {}, {})
    actions = AppActions(paths, Token("secret"), lambda: settings, dict, None, None, lambda: None, None)
    return asyncio.run(actions.execute(command))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Paths below a file, where nothing can be written."""
    (tmp_path / "file").touch()
    return Paths.inside(tmp_path / "file")


@pytest.mark.parametrize("command", [InstallPlugin(), OpenSettings()])
def test_a_file_that_cannot_be_written_is_named(paths: Paths, command: AppCommand) -> None:
    result = execute(paths, command)
    assert (result.ok, result.message.startswith("cannot write"), str(paths.settings.parent) in result.message) == (
        False, True, True,
    )  # fmt: skip


def test_a_token_that_cannot_be_rotated_is_reported(paths: Paths) -> None:
    assert not execute(paths, RotateToken()).ok
