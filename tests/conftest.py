"""Files of tests that take minutes begin first, no tray leaves its token in another file, and a fixture for scripts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from planted_secrets import left_tokens

LONG = (  # of minutes: the others fill the time beside them
    "test_soak.py",
    "test_faults.py",
    "test_page_in_chromium.py",
    "test_serve.py",
    "test_opencode.py",
    "test_scale.py",
    "test_remote.py",
)


PACKAGING = Path(__file__).parents[1] / "packaging"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Return a function that imports a script of the folder packaging, which is no package, by its name."""
    monkeypatch.syspath_prepend(str(PACKAGING))  # as for a script that runs

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, PACKAGING / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # of pytest-xdist: its folder is inside the one of the main process
        return
    left = left_tokens(session.config._tmp_path_factory.getbasetemp())  # noqa: SLF001  # no fixture is left here
    for line in left:
        print(f"\nSECRET LEFT BEHIND: {line}")
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
