"""The team of the settings: joins it, leaves it, and lets those of its trays answer that the settings name."""

from __future__ import annotations

import asyncio
import getpass
import logging
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tray.app.channels import Execute
from tray.app.problems import Problems
from tray.app.state import AppState
from tray.core.commands import AnswerRequest, CommandResult, Surface
from tray.core.errors import UserError
from tray.core.events import Change, SourceEvent
from tray.core.settings import (
    TEAM_ANSWERS,
    TEAM_BROKER,
    TEAM_KEY,
    TEAM_KEY_ENV,
    TEAM_NAME,
    TEAM_PASSWORD_ENV,
    TEAM_PUBLISH,
    TEAM_WATCH,
    Settings,
)
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.team_settings import TrustedTray, broker_of, key_bytes
from tray.storage.team_identity import begin
from tray.system.secret_variables import whole_environment

if TYPE_CHECKING:
    from tray.sources.team.team_source import TeamSource

log = logging.getLogger(__name__)

TOPIC = "team"
LIBRARY = "aiomqtt"


class TeamSetupError(UserError):
    """The settings of the team cannot be used; the text says what to do."""


class _Wanted(NamedTuple):
    """The settings of the team."""

    broker: str
    team: str
    password_env: str
    key: str
    key_env: str
    publishes: bool
    watches: bool
    trusted: tuple[TrustedTray, ...]


class Team:
    """Lives on the event loop's thread. Without `team.broker`, nothing of it is loaded or started."""

    def __init__(
        self,
        path: Path,
        state: AppState,
        problems: Problems,
        report: Callable[[SourceEvent], None],
        execute: Execute,
    ) -> None:
        """`path` is the file of this tray's identity; `report` applies events; `execute` runs commands."""
        self._path = path
        self._state = state
        self._problems = problems
        self._report = report
        self._execute = execute
        self._wanted: _Wanted | None = None
        self._source: TeamSource | None = None
        self._changing = asyncio.Lock()

    async def reload_settings(self) -> None:
        """Join the team of the settings, leave the one before, or do nothing if nothing has changed."""
        async with self._changing:
            wanted = _wanted(self._state.settings())
            if wanted == self._wanted:
                return
            self._wanted = wanted
            await self._leave()
            if not wanted.broker:
                return
            try:
                self._source = await self._join(wanted)
            except UserError as error:
                self._wanted = None  # it is tried again at the next change of the settings
                self._problems.report(TOPIC, f"the team is not used: {error}")
                return
            self._source.start()

    async def stop(self) -> None:
        """Leave the team, within 2 s."""
        async with self._changing:
            await self._leave()

    def note(self, changes: Sequence[Change]) -> None:
        """Note what has changed in the fleet."""
        if self._source is not None:
            self._source.note(changes)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call the tray that publishes a server (a `core.source_calls.SourceCall`). Raises CallError."""
        if self._source is None:
            raise CallError("this tray is in no team any more", CallErrorKind.GONE)
        return await self._source.call(server_id, method, params)

    async def _leave(self) -> None:
        source, self._source = self._source, None
        self._problems.clear(TOPIC)
        if source is not None:
            await source.stop()

    async def _join(self, wanted: _Wanted) -> TeamSource:
        """Return the source of a team. Raises UserError."""
        if sys.platform == "win32":
            raise TeamSetupError(f"{LIBRARY} does not work with the event loop of Windows")
        if find_spec(LIBRARY) is None:
            raise TeamSetupError(f"it needs {LIBRARY}; install opencode-tray[team], or {LIBRARY} itself beside it")
        from tray.sources.team.team_source import TeamOptions, TeamSource  # noqa: PLC0415  # only teams need it

        team_key = _team_key(wanted)
        identity = await asyncio.to_thread(begin, self._path, self._state.now())
        options = TeamOptions(
            wanted.team,
            broker_of(wanted.broker),
            _variable(wanted.password_env, TEAM_PASSWORD_ENV.key),
            team_key,
            bytes.fromhex(identity.private_key),
            identity.started,
            tray_name(),
            wanted.publishes,
            wanted.watches,
            wanted.trusted,
        )
        return TeamSource(options, self._state.fleet, self._report, self._answer, self._state.now, self._set_problem)

    async def _answer(self, command: AnswerRequest) -> CommandResult:
        return await self._execute(command, Surface.TEAM)

    def _set_problem(self, about: str, text: str) -> None:
        self._problems.set(f"{TOPIC} {about}", f"team: {text}" if text else "")


def tray_name() -> str:
    """Return the name of this tray for others: USER@HOST."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container in which the user has no name
        user = "tray"
    return f"{user}@{socket.gethostname()}"


def _wanted(settings: Settings) -> _Wanted:
    return _Wanted(
        settings[TEAM_BROKER],
        settings[TEAM_NAME],
        settings[TEAM_PASSWORD_ENV],
        settings[TEAM_KEY],
        settings[TEAM_KEY_ENV],
        settings[TEAM_PUBLISH],
        settings[TEAM_WATCH],
        settings[TEAM_ANSWERS],
    )


def _team_key(wanted: _Wanted) -> bytes:
    """Return the key of the team. Raises TeamSetupError."""
    text = wanted.key or _variable(wanted.key_env, TEAM_KEY_ENV.key)
    if not text:
        raise TeamSetupError("it needs team.key or team.key_env; `opencode-tray team key` makes a key")
    try:
        return key_bytes(text)
    except ValueError:
        raise TeamSetupError(f"{wanted.key_env} holds no key; `opencode-tray team key` makes one") from None


def _variable(name: str, setting: str) -> str:
    """Return the value of an environment variable; "" without a name. Raises TeamSetupError if it is not set."""
    value = whole_environment().get(name, "")
    if name and not value:
        raise TeamSetupError(f"the environment variable {name} of {setting} is not set")
    return value
