"""The installed plugin equals the shipped file byte for byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tray.actions.install import InstallError, install_plugin, installed_version
from tray.system.resources import plugin_source


def test_the_installed_plugin_equals_the_shipped_file(tmp_path: Path) -> None:
    target = tmp_path / "plugin" / "opencode-tray.js"
    assert install_plugin(target).startswith("Wrote")
    assert target.read_bytes() == plugin_source().read_bytes()
    assert installed_version(target)
    assert "already" in install_plugin(target)


def test_a_plugin_that_cannot_be_read_counts_as_not_installed(tmp_path: Path) -> None:
    target = tmp_path / "opencode-tray.js"
    target.mkdir()
    assert installed_version(target) is None
    with pytest.raises(InstallError, match=re.escape(str(target))):
        install_plugin(target)


def test_a_plugin_with_other_line_ends_is_updated(tmp_path: Path) -> None:
    target = tmp_path / "opencode-tray.js"
    target.write_bytes(plugin_source().read_bytes().replace(b"\n", b"\r\n"))
    assert install_plugin(target).startswith("Updated")
    assert target.read_bytes() == plugin_source().read_bytes()
