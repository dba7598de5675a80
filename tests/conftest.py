"""After all tests: no tray that they started has left its token in another file."""

from __future__ import annotations

import pytest

from planted_secrets import left_tokens


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # of pytest-xdist: its folder is inside the one of the main process
        return
    left = left_tokens(session.config._tmp_path_factory.getbasetemp())  # noqa: SLF001  # no fixture is left here
    for line in left:
        print(f"\nSECRET LEFT BEHIND: {line}")
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
