"""What the trays of a team tell each other through the broker. Each record is sealed before it is published.

A tray is named by its ID in the topics, which only the owner of its private key can publish under. It publishes:

- `presence`, retained, with a last will that says that it is offline;
- `snapshot`, retained: everything that it shares, at one moment;
- `change`: what has changed since the change before;
- `beat`: that it is still there, while it publishes nothing else. A broker may notice a lost connection late: mosquitto
  looks for them every 5 s.

Others publish on its `ask`: that they need a snapshot, or an answer to a request. It publishes the result on `result`
of the tray that asked.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from tray.core.answers import Answer, Decline, Permit, Reply, Verdict
from tray.core.servers import AgentKind
from tray.core.sessions import Session
from tray.core.team_settings import key_bytes

ROOT = "opencode-tray"
PRESENCE, SNAPSHOT, CHANGE, BEAT, ASK, RESULT = "presence", "snapshot", "change", "beat", "ask", "result"
SHARED = (PRESENCE, SNAPSHOT, CHANGE, BEAT)  # what a tray publishes for all others
MAX_PAYLOAD = 4 * 1024 * 1024  # bytes; more is not opened
ID_LENGTH = 32  # characters: the first 128 bits of a SHA-256
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


class Topic(NamedTuple):
    """A topic of a team."""

    team: str
    tray: str
    kind: str

    def __str__(self) -> str:
        """Return the topic as the broker knows it. `tray` may be `+`: all trays."""
        return f"{ROOT}/{self.team}/{self.tray}/{self.kind}"


def topic_of(text: str) -> Topic | None:
    """Return the parts of a topic; None if it is none of a tray."""
    parts = text.split("/")
    is_of_tray = len(parts) == 4 and parts[0] == ROOT and _ID.fullmatch(parts[2]) is not None
    return Topic(*parts[1:]) if is_of_tray else None


@lru_cache(4096)
def tray_id(public_key: str) -> str:
    """Return the ID of the tray with this public key (`team_settings.key_text`). Raises ValueError."""
    return hashlib.sha256(key_bytes(public_key)).hexdigest()[:ID_LENGTH]


class Presence(msgspec.Struct, frozen=True):
    """Whether a tray is connected to the broker."""

    started: int  # when the tray started, in ms since the Unix epoch; larger after each start
    connection: int  # counts its connections since then
    is_online: bool
    said_goodbye: bool = False  # it was stopped
    name: str = ""  # USER@HOST
    box: str = ""  # the public key with which to seal what only this tray may read
    answers: tuple[str, ...] = ()  # the public keys of the trays that may answer its requests


class SharedServer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A server, as far as others need to know it."""

    id: str
    name: str
    host: str
    directory: str
    project: str = ""
    branch: str = ""
    repository: str = ""
    agent_kind: AgentKind = AgentKind.OPENCODE
    version: str = ""
    refusal: str = ""  # why no tray can answer its requests
    connected: bool = True
    confirmed: bool = True
    lost_at: int = 0
    said_goodbye: bool = False
    runs_once: bool = False
    finished: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that a tray shares, after its change `number`."""

    started: int
    number: int
    servers: tuple[SharedServer, ...] = ()
    sessions: tuple[Session, ...] = ()


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has changed since the change with the number before."""

    started: int
    number: int
    servers: tuple[SharedServer, ...] = ()
    sessions: tuple[Session, ...] = ()
    removed_servers: tuple[str, ...] = ()
    removed_sessions: tuple[tuple[str, str], ...] = ()  # server and session


class Beat(msgspec.Struct, frozen=True):
    """A tray is still there."""

    started: int
    connection: int
    number: int  # larger each time
    change: int  # the number of its last change


class SnapshotWanted(msgspec.Struct, frozen=True, tag="snapshot"):
    """A tray has missed a change."""


class AnswerWanted(msgspec.Struct, frozen=True, tag="answer"):
    """A user at another tray has answered a request."""

    id: str  # used once
    at: int  # when the user answered, in ms since the Unix epoch
    box: str  # the public key with which to seal the result
    server: str
    request: str
    seen: str  # the digest of what the user saw (core.request_digest)
    verdict: Verdict | None = None  # of a permission
    message: str = ""
    answers: tuple[tuple[str, ...], ...] = ()  # to questions; without a verdict and without these, they are declined

    @property
    def answer(self) -> Answer:
        """The answer."""
        if self.verdict is not None:
            return Permit(self.verdict, self.message)
        return Reply(self.answers) if self.answers else Decline()


Ask = SnapshotWanted | AnswerWanted


class Result(msgspec.Struct, frozen=True):
    """What became of an answer."""

    id: str  # of the `AnswerWanted`
    ok: bool
    message: str  # one line for the user
