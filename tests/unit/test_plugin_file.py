"""The installed plugin is the shipped one, byte by byte: doctor compares them so."""

from __future__ import annotations

from pathlib import Path

from tray.actions.plugin_file import install_plugin, installed_version
from tray.system.resources import plugin_source


def test_what_is_installed_is_what_is_shipped(tmp_path: Path) -> None:
    target = tmp_path / "plugin" / "opencode-tray.js"
    assert install_plugin(target).startswith("Wrote")
    assert target.read_bytes() == plugin_source().read_bytes()
    assert installed_version(target)
    assert "already" in install_plugin(target)


def test_other_line_ends_are_another_version(tmp_path: Path) -> None:
    target = tmp_path / "opencode-tray.js"
    target.write_bytes(plugin_source().read_bytes().replace(b"\n", b"\r\n"))
    assert install_plugin(target).startswith("Updated")
    assert target.read_bytes() == plugin_source().read_bytes()
