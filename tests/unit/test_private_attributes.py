"""Each private name of a library that tray/ uses is in the installed version, and pyproject.toml has an upper bound.

pystray's back ends import a toolkit that this machine may lack, so their sources are read, not imported.
"""

from __future__ import annotations

import ast
import inspect
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from desktop_notifier import DesktopNotifier
from packaging.requirements import Requirement

import tray
from real_windows import needs_real_windows

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = Path(tray.__file__).parent / "surfaces" / "backends"

# The libraries of which we use more than the documented interface, so that an update needs a look.
BOUNDED = {"dbus-fast", "desktop-notifier", "pystray", "python-xlib", "watchdog"}

# pystray's module -> the names in it that our back ends import, call, read or override.
PYSTRAY = {
    "_base": {
        "_handler", "_hide", "_icon", "_icon_valid", "_mark_ready", "_run", "_show",
        "_start_setup", "_stop", "_title", "_update_icon", "_update_menu", "_update_title", "_visible",
    },
    "_xorg": {
        "_SYSTEM_TRAY_REQUEST_DOCK", "_assert_icon_data", "_create_atoms", "_create_window", "_display", "_draw",
        "_events", "_get_systray_manager", "_icon_data", "_message_handlers", "_net_system_tray_opcode",
        "_net_system_tray_sx", "_on_destroy_notify", "_send_message", "_systray_manager", "_thread", "_window",
    },
    "_win32": {
        "_assert_icon_handle", "_hwnd", "_icon_handle", "_menu_handle", "_message", "_message_handlers",
        "_on_display_change", "_on_notify", "_on_taskbarcreated", "_release_icon",
    },
    "_darwin": {
        "_app", "_assert_image", "_create_menu_item", "_icon_image", "_menu_handle", "_status_bar", "_status_item",
    },
    "_util/gtk": {"_finalize", "_initialize"},
    "_gtk": {"_update_menu"},
    "_appindicator": {"_finalize", "_update_menu"},
    "_util/win32": {
        "IMAGE_ICON", "LR_LOADFROMFILE", "LoadImage", "NIF_ICON", "NIM_DELETE", "NIM_MODIFY", "NOTIFYICONDATAW",
        "PostMessage", "Shell_NotifyIcon", "WM_RBUTTONUP", "WM_USER", "windll",
    },
    "_util/__init__": {"serialized_image"},
}  # fmt: skip
OUR_OWN = {"_base", "_loop", "_running"}  # pystray has them as well, but not in a class that ours extends


def pystray_source(module: str) -> ast.Module:
    spec = find_spec("pystray")
    assert spec is not None
    assert spec.origin is not None
    return ast.parse((Path(spec.origin).parent / f"{module}.py").read_text(encoding="utf-8"))


def names_set_in(tree: ast.AST) -> set[str]:
    """Return the functions, classes, variables and attributes that a module defines, and its imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names


@pytest.mark.parametrize(("module", "names"), PYSTRAY.items())
def test_pystray_has_the_names_that_we_use(module: str, names: set[str]) -> None:
    missing = names - names_set_in(pystray_source(module))
    assert not missing, f"pystray {version('pystray')} has no {missing} in {module}.py"


def test_the_table_of_pystray_is_complete() -> None:
    ours: set[str] = set()
    used: set[str] = set()
    for file in BACKENDS.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "pystray" not in text:
            continue
        tree = ast.parse(text)
        ours |= {name for name in names_set_in(tree) if name.startswith("_")}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                used.add(node.attr)
    theirs = set().union(*(names_set_in(pystray_source(module)) for module in PYSTRAY))
    private = {name for name in theirs if name.startswith("_") and not name.startswith("__")}
    listed = set().union(*PYSTRAY.values())
    assert used - ours <= listed, "neither ours nor in the table"
    assert (used | ours) & private <= listed | OUR_OWN


def test_dbus_fast_has_the_writer_whose_socket_we_replace() -> None:
    aio = pytest.importorskip("dbus_fast.aio")
    writer = aio.message_bus._MessageWriter  # noqa: SLF001  # this is the test of it
    assert "self.sock" in inspect.getsource(writer.write_callback)
    assert "sock.send(" in inspect.getsource(writer.write_callback)
    assert "self._writer" in inspect.getsource(aio.MessageBus)


@needs_real_windows("it has no notifications of Windows")
def test_desktop_notifier_keeps_its_connection_where_we_look() -> None:
    notifier = DesktopNotifier("test")
    assert hasattr(notifier, "_backend")
    source = Path(inspect.getfile(DesktopNotifier)).parent / "backends" / "dbus.py"
    assert "bus" in names_set_in(ast.parse(source.read_text(encoding="utf-8")))


def test_watchdog_logs_the_message_that_we_filter() -> None:
    spec = find_spec("watchdog.observers.inotify")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    assert any("when the thread is inactive" in file.read_text(encoding="utf-8") for file in folder.glob("inotify*.py"))


def test_libraries_whose_private_names_we_use_have_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [Requirement(line) for line in project["dependencies"]]
    bounded = {r.name for r in requirements if any(part.operator == "<" for part in r.specifier)}
    assert bounded == BOUNDED
