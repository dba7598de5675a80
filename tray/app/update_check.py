"""A quiet look for a newer version, which is off by default."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from tray import __version__
from tray.core.settings import CHECK_UPDATES, Settings
from tray.surfaces.channels import http
from tray.surfaces.channels.channel import ChannelError
from tray.system.paths import NAME
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

INDEX = "https://pypi.org/pypi/opencode-tray/json"  # https://docs.pypi.org/api/json/
INTERVAL = 86_400.0  # s between two questions
_RELEASE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,9}")  # a final release: no alpha, beta or candidate


class UpdateCheck:
    """Asks the Python package index once a day, while the setting is on. It never shows a notification."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        tasks: TaskSet,
        changed: Callable[[str], None],
        now: Callable[[], float],
        index: str = INDEX,
    ) -> None:
        """`changed` receives the newest version if it is newer than this one, and "" once none is known.

        `now` returns seconds and is monotonic.
        """
        self._newer = ""
        self._settings = settings
        self._tasks = tasks
        self._changed = changed
        self._now = now
        self._index = index
        self._asked_at: float | None = None

    def check_if_due(self) -> None:
        """Ask if a day has passed since the last time; forget the answer if the setting is off."""
        if not self._settings()[CHECK_UPDATES]:
            self._asked_at = None
            self._set_newer("")
        elif self._asked_at is None or self._now() - self._asked_at >= INTERVAL:
            self._asked_at = self._now()
            self._tasks.spawn(self._ask(), "look for a newer version")

    async def _ask(self) -> None:
        try:
            async with aiohttp.ClientSession(trust_env=True) as session:
                project = await http.call(session, "GET", self._index, headers={"User-Agent": NAME})
        except ChannelError as error:
            log.info("the package index: %s", error)
            return
        if self._settings()[CHECK_UPDATES]:
            newest = newest_version(project)
            self._set_newer(newest if is_newer(newest, __version__) else "")

    def _set_newer(self, version: str) -> None:
        if version != self._newer:
            self._newer = version
            self._changed(version)


def newest_version(project: Mapping[str, Any]) -> str:
    """Return the newest version of a project, as the package index describes it; "" if it is not there."""
    info = project.get("info")
    version = info.get("version") if isinstance(info, Mapping) else None
    return version if isinstance(version, str) else ""


def is_newer(version: str, than: str) -> bool:
    """Whether a version is a final release that is newer than another version."""
    return _RELEASE.fullmatch(version) is not None and _numbers(version) > _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, without zeros at the end."""
    found = _RELEASE.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found is not None else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
