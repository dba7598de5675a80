"""Files of tests that take minutes begin first, and no tray leaves its token in another file."""

from __future__ import annotations

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
