"""Random files of agents and of our own, read as the tray reads them: rows of databases, JSON, logs and registries."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import msgspec

from fuzz import HOSTILE, IDS, TIMES, WORDS, Inputs
from fuzz_fleet import FuzzedFleet, check_records
from stored_sessions import TABLES
from tray.agents.catalog import AGENTS
from tray.agents.claude.inference import snapshot as claude_snapshot
from tray.agents.claude.limits import LimitsFile, _Cached, _Window
from tray.agents.claude.registry import RegistryEntry, read_registry
from tray.agents.claude.transcript import Transcript
from tray.agents.codex.home import CodexHome
from tray.agents.copilot.events import Events
from tray.agents.copilot.inference import snapshot as copilot_snapshot
from tray.agents.copilot.open_sessions import OpenSessions
from tray.agents.gemini import chat as gemini
from tray.agents.hook_command import OWN_URL
from tray.agents.hook_session import HookSession
from tray.agents.json_editor import InvalidJsonError
from tray.core.devices import Device
from tray.core.events import SnapshotTaken, StepsReported
from tray.core.history import HistoryRecord, SessionRecord, StepRecord, StepsExpired
from tray.core.ledger import step_of
from tray.core.lenient_json import JSON_ERRORS
from tray.core.messages import Message, Tokens
from tray.core.plan_limits import PlanLimit
from tray.core.servers import AgentKind
from tray.opencode.model_prices import ModelPrices, _Cost
from tray.opencode.session_count import count_sessions
from tray.sources.local import database, json_storage
from tray.sources.local.inference import infer
from tray.sources.local.logs import Ask, Logs
from tray.sources.local.records import StoredPart, StoredSession
from tray.sources.protocol.events import FrameError, decode_event
from tray.sources.protocol.schema import MessageInfo, SessionInfo, TodoInfo
from tray.sources.stored.importer import ImportOptions, import_stored
from tray.sources.stored.opencode import opencode_sources
from tray.storage import audit
from tray.storage.cache import _Cache, read_cache
from tray.storage.channel_store import ChannelRecord, read_channels
from tray.storage.devices import _File, read_devices
from tray.storage.endpoint import read_endpoint
from tray.storage.history import activity, analytics
from tray.storage.history.database import open_history
from tray.storage.history.export import csv_texts, exported_steps, json_texts
from tray.storage.history.recorder import Recorder
from tray.storage.history.search import SessionQuery, find_sessions
from tray.storage.history.selection import Selection
from tray.storage.history.timeline import timeline
from tray.storage.history.usage import stored_tokens, usage
from tray.storage.remotes import read_remotes
from tray.storage.servers import StartedServer, read_servers
from tray.storage.tailnet_entry import read_entry
from tray.storage.team_identity import StoredIdentity, TeamIdentityError, read_identity
from tray.system.local_day import day_number

AT = 1_790_000_000_000  # ms since the Unix epoch
BATCH = 200  # inputs that are in one file, or in one folder
GOOD = "ses_good"  # the session that has to be found beside damaged ones
_NOT_NULL = re.compile(r" NOT NULL|PRIMARY KEY \(session_id, position\)|PRIMARY KEY")


Feed = Callable[[], None]


def _remove(folder: tempfile.TemporaryDirectory[str]) -> None:
    with suppress(OSError):  # Windows keeps a file that is still open
        folder.cleanup()


def with_folder(reader: Callable[[int, Path], Feed]) -> Callable[[int], Feed]:
    """Return a reader that has a temporary folder, which is removed with it."""

    @wraps(reader)
    def begin(seed: int) -> Feed:
        folder = tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True)
        feed = reader(seed, Path(folder.name))
        weakref.finalize(feed, _remove, folder)
        return feed

    return begin


# ---------------------------------------------------------------------- OpenCode


class _Rows(Inputs):
    """Draws the rows of OpenCode's tables."""

    def cell(self, usual: Any) -> Any:
        """Return the usual value of a column, or one of another type."""
        if self.random.random() < 0.85:
            return usual
        return self.random.choice(
            (None, 0, -1, 2**63 - 1, -(2**63), 1e308, float("inf"), 0.5, b"\xff\x00", b"", "", "x" * 3_000, "1e5",
             "nan", "\x00", *HOSTILE[:8])
        )  # fmt: skip

    def time(self) -> int:
        return AT - self.random.randrange(10**9)

    def session(self, number: int) -> dict[str, Any]:
        usual = {
            "id": f"ses_{number}", "project_id": "p", "parent_id": self.random.choice((None, "ses_1", f"ses_{number}")),
            "slug": "s", "directory": "/work", "title": self.random.choice(WORDS), "version": "1", "cost": 0.5,
            "tokens_input": 1, "tokens_output": 2, "tokens_reasoning": 3, "tokens_cache_read": 4,
            "tokens_cache_write": 5, "summary_files": 1, "summary_additions": None, "agent": "build",
            "time_created": self.time(), "time_updated": self.time(), "time_archived": None,
        }  # fmt: skip
        return {name: self.cell(value) for name, value in usual.items()}

    def data(self, shape: type[msgspec.Struct], **usual: Any) -> Any:
        """Return the JSON of a message or a part."""
        record = {**self.record(shape), **usual}
        return self.cell(self.json(record).decode("utf-8", "replace"))

    def message(self, number: int, session: Any) -> dict[str, Any]:
        usual = {"role": self.random.choice(("assistant", "assistant", "user")), "time": {"created": self.time()}}
        row = {
            "id": f"msg_{number}", "session_id": session, "time_created": self.time(), "time_updated": self.time(),
            "data": self.data(MessageInfo, **usual),
        }  # fmt: skip
        return {name: self.cell(value) if name != "session_id" else value for name, value in row.items()}

    def part(self, number: int, message: Any) -> dict[str, Any]:
        state = {
            "status": self.random.choice(("running", "completed", "error", "pending", "x")),
            "input": self.anything(2), "time": {"start": self.random.choice((AT - 5_000, 2**60, -1))},
        }  # fmt: skip
        usual = {"type": self.random.choice(("tool", "text")), "tool": self.random.choice(("bash", "question", "edit"))}
        return {
            "id": self.cell(f"prt_{number}"), "message_id": message, "session_id": "s", "time_created": 1,
            "time_updated": 1, "data": self.data(StoredPart, **usual, state=state),
        }  # fmt: skip

    def todo(self, session: Any) -> dict[str, Any]:
        row = {"content": "c", "status": "pending", "priority": "high", "position": 0, "time_created": 1}
        return {"session_id": session, "time_updated": 1, **{name: self.cell(value) for name, value in row.items()}}


@with_folder
def opencode_database(seed: int, folder: Path) -> Feed:
    """OpenCode's database: a session is read or left out, whatever its rows contain; the others are read."""
    rows, fleet = _Rows(seed), FuzzedFleet()
    path = folder / "opencode.db"
    pending: dict[str, list[dict[str, Any]]] = {}
    fed = 0

    def feed() -> None:
        nonlocal fed
        fed += 1
        session = rows.session(fed)
        pending.setdefault("session", []).append(session)
        for number in range(rows.random.randrange(3)):
            message = rows.message(10 * fed + number, session["id"])
            pending.setdefault("message", []).append(message)
            for part in range(rows.random.randrange(3)):
                pending.setdefault("part", []).append(rows.part(100 * fed + part, message["id"]))
        if rows.random.random() < 0.3:
            pending.setdefault("todo", []).append(rows.todo(session["id"]))
        if fed % BATCH == 0:
            _write_database(path, pending)
            known = [row["id"] for row in pending["session"] if isinstance(row["id"], str)]
            pending.clear()
            _read_database(path, fleet, known)

    return feed


def _write_database(path: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    good = {"id": GOOD, "directory": "/work", "title": "t", "time_created": 1, "time_updated": 2**53, "tokens_input": 1}
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_NOT_NULL.sub("", TABLES).replace(",\n  );", ");"))
        connection.execute("BEGIN")
        for table, rows in {**tables, "session": [*tables["session"], good]}.items():
            for row in rows:
                names = ", ".join(row)
                marks = ", ".join("CAST(? AS TEXT)" if value == b"\xff\x00" else "?" for value in row.values())
                values = [v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in row.values()]
                connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
        connection.execute("COMMIT")


def _read_database(path: Path, fleet: FuzzedFleet, ids: list[str]) -> None:
    read = [*database.read_sessions(path, {"/work"}, 0, ()), *database.read_sessions(path, (), 0, ids)]
    assert GOOD in {stored.info.id for stored in read}
    _show(fleet, read)
    count_sessions(path.parent, "/work")
    found = list(_imported(path.parent))
    assert GOOD in {record.id for record in found if isinstance(record, SessionRecord)}


def _show(fleet: FuzzedFleet, read: list[StoredSession]) -> None:
    """Infer the states of sessions, and show them."""
    asks = [Ask(AT - 4_500, "bash"), Ask(AT, "edit")]
    for stored in read:
        found = infer(stored, asks, AT - 10**9, AT, logs_answers=len(stored.messages) % 2 == 0)
        asked = {"permissions": (found.permission,) if found.permission else ()}
        asked["questions"] = (found.question,) if found.question else ()
        snapshot = SnapshotTaken(
            fleet.server.id, (found.facts,), {found.facts.id: (found.activity, None)}, **asked,
            todos={found.facts.id: found.todos},
        )  # fmt: skip
        fleet.apply((snapshot, StepsReported(fleet.server.id, found.facts.id, found.steps)), AT)
    fleet.look(AT)


def _imported(folder: Path) -> Iterator[HistoryRecord]:
    """Yield the records that an import stores."""
    options = ImportOptions(day_number, {}, keeps_text=True)
    for step in import_stored(list(opencode_sources(folder, "host")), {}, options):
        check_records(step.records)
        yield from step.records


@with_folder
def opencode_storage(seed: int, folder: Path) -> Feed:
    """The JSON files of older versions of OpenCode: a session is read or left out; the others are read."""
    rows, fleet = _Rows(seed), FuzzedFleet()
    storage = folder / "storage"
    good = {"id": GOOD, "directory": "/work", "title": "t", "time": {"created": 1, "updated": 2**53}}
    write(storage / "session" / "p" / f"{GOOD}.json", json.dumps(good).encode())
    fed = 0

    def feed() -> None:
        nonlocal fed
        fed += 1
        name, message = f"ses_{fed % BATCH}", f"msg_{fed % BATCH}"
        usual = {"directory": "/work", "id": rows.random.choice((name, name, *IDS)), "time": rows.anything(1)}
        if rows.random.random() < 0.9:
            usual["time"] = {"created": rows.time(), "updated": rows.time()}
        write(storage / "session" / "p" / f"{name}.json", rows.json({**rows.record(SessionInfo), **usual}))
        write(
            storage / "message" / name / f"{message}.json", rows.json({**rows.record(MessageInfo), "role": "assistant"})
        )
        write(storage / "part" / message / "prt_1.json", rows.json(rows.record(StoredPart)))
        write(storage / "todo" / f"{name}.json", rows.json([rows.record(TodoInfo)]))
        if fed % BATCH == 0:
            read = json_storage.read_sessions(storage, {"/work"}, 0, ())
            assert GOOD in {stored.info.id for stored in read}
            _show(fleet, read)
            count_sessions(folder, "/work")
            assert GOOD in {record.id for record in _imported(folder) if isinstance(record, SessionRecord)}

    return feed


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@with_folder
def opencode_logs(seed: int, folder: Path) -> Feed:
    """OpenCode's logs: a line says something about a run, or nothing."""
    inputs = Inputs(seed)
    shared, own = folder / "opencode.log", folder / "2026-11-28T080000.log"
    logs = Logs(folder)
    weakref.finalize(inputs, logs.close)
    pieces = (
        "timestamp={at} level=INFO run={word} message=asking id=per_{word} permission={text}\n",
        'timestamp={at} level=INFO run={word} message="exiting loop" session.id=ses_{word} id=ses_{text}\n',
        "timestamp={at} level=INFO run={word} message={text}\n",
        "INFO  {at} +7ms service=bus type=permission.asked publishing\n",
        "INFO  {at} +7ms service=bus type=permission.replied publishing\n",
        'INFO  {at} +7ms service=permission permission={text} pattern=x action={{"action":"ask"}} evaluated\n',
        "INFO  {at} +7ms service=session.prompt sessionID=ses_{word} {text}\n",
        "{text}",
    )  # fmt: skip

    def feed() -> None:
        at = inputs.random.choice((*TIMES, "2026-11-28T08:00:00", "9999-99-99T99:99:99"))
        line = inputs.random.choice(pieces).format(at=at, word=inputs.random.choice(WORDS), text=inputs.text())
        raw = line.encode("utf-8", "surrogatepass")
        for file in (shared, own):
            with file.open("ab") as stream:
                stream.write(inputs.damaged(raw) if inputs.random.random() < 0.1 else raw)
        logs.read(0)
        logs.runs_of({1: 1_790_000_000.0, 2: 0.0})
        if shared.stat().st_size > 5_000_000:
            shared.unlink()
            own.unlink()

    return feed


# ---------------------------------------------------------------------- other agents


@with_folder
def agent_files(seed: int, folder: Path) -> Feed:
    """The registries, limits, titles, workspaces, chats and prices of agents: each entry is taken, or left out."""
    inputs = Inputs(seed)
    home, fleet = folder, FuzzedFleet(AgentKind.CLAUDE)
    chat = gemini.Chat()
    codex, copilot, prices = CodexHome(home), OpenSessions(home), ModelPrices({"XDG_CACHE_HOME": str(home)}, home)
    limits_file = home / ".claude.json"
    known: tuple[PlanLimit, ...] = ()
    fed = 0

    def limits() -> bytes:
        windows = {name: inputs.record(_Window) for name in ("five_hour", "seven_day", "x")}
        if inputs.random.random() < 0.5:
            windows["seven_day"]["resets_at"] = inputs.random.choice(TIMES)
        fetched = inputs.random.choice((AT, 1e308, -1, 2**70))
        return inputs.json({"cachedUsageUtilization": {**inputs.record(_Cached), "fetchedAtMs": fetched,
                                                        "utilization": windows}})  # fmt: skip

    def feed() -> None:
        nonlocal fed, chat, known
        fed += 1
        number = fed % BATCH
        write(home / "sessions" / f"{number}.json", inputs.json({**inputs.record(RegistryEntry), "pid": number + 1}))
        write(limits_file, limits())
        known = LimitsFile(limits_file).read(AT) or known
        line = inputs.record(gemini._Line)  # noqa: SLF001
        line["type"] = inputs.random.choice(("gemini", "gemini", "info", "error", "x"))
        line["timestamp"] = inputs.random.choice(TIMES)
        chat.add(inputs.json(line))
        with (home / "session_index.jsonl").open("ab") as index:
            index.write(inputs.json({"id": inputs.random.choice(IDS), "thread_name": inputs.text()}) + b"\n")
        write(home / "app-server-daemon" / "daemon.pid", inputs.json(inputs.anything(2)))
        session = home / "session-state" / f"s{number % 20}"
        scalar = inputs.random.choice((inputs.text(), f'"{inputs.text()}"', f"'{inputs.text()}'", "|", '"\\ud800"'))
        write(session / "workspace.yaml", f"cwd: {scalar}\nname: {scalar}\n".encode("utf-8", "surrogatepass"))
        write(session / "inuse.7.lock", b"")
        model = {"cost": inputs.random.choice((inputs.record(_Cost), inputs.anything(1)))}
        write(home / "opencode" / "models.json", inputs.json({"anthropic": {"models": {"x": model}}}))
        found = prices.read() or {}
        step_of("s", Message("m", model="anthropic/x", tokens=Tokens(10**12, 1), completed=AT), day_number, found)
        if number == 0:
            look()
            chat = gemini.Chat()

    def look() -> None:
        for entry in read_registry(home):
            fleet.apply((claude_snapshot(fleet.server.id, entry, Transcript(), plan_limits=known),), AT)
        session = HookSession("s", AT, "")
        session.apply_transcript(chat.last)
        fleet.apply((session.snapshot(fleet.server.id, chat),), AT)
        fleet.apply((StepsReported(fleet.server.id, "s", chat.steps.take()),), AT)
        for opened in copilot.read():
            fleet.apply((copilot_snapshot(fleet.server.id, opened, Events()),), AT)
        codex.titles()
        codex.daemon()
        fleet.look(AT)
        (home / "session_index.jsonl").unlink()

    return feed


def agent_settings(seed: int) -> Feed:
    """The settings of agents: hooks are added and removed again without any other change, or the file is refused."""
    inputs = Inputs(seed)
    files = [agent.hooks for agent in AGENTS.values() if agent.hooks is not None]

    def hook() -> Any:
        command = inputs.random.choice(("notify-send hi", f"curl {OWN_URL}claude", inputs.text(), inputs.anything(1)))
        return inputs.random.choice(({"type": "command", "command": command}, inputs.anything(1)))

    def group() -> Any:
        hooks = [hook() for _ in range(inputs.random.randrange(3))]
        return inputs.random.choice(
            ({"hooks": hooks}, {"matcher": "*", "hooks": hooks}, {"hooks": []}, inputs.anything(1))
        )

    def text(event: str) -> str:
        groups = inputs.random.choice(([group() for _ in range(inputs.random.randrange(3))], inputs.anything(1)))
        events = inputs.random.choice(({event: groups}, {inputs.text(): groups, event: []}, inputs.anything(2)))
        content = inputs.random.choice(({"hooks": events}, {"a": 1, "hooks": events, "z": []}, inputs.anything(3)))
        indent = inputs.random.choice((None, 2, "\t"))
        raw = json.dumps(content, indent=indent, ensure_ascii=inputs.random.random() < 0.5)
        if inputs.random.random() < 0.2:
            raw = raw.replace(",", inputs.random.choice((", ", ",\r\n", ", // note\n", ",/* x */")))
        return (
            inputs.damaged(raw.encode("utf-8", "replace")).decode("utf-8", "replace")
            if inputs.random.random() < 0.1
            else raw
        )

    def feed() -> None:
        file = inputs.random.choice(files)
        before = text(inputs.random.choice(tuple(file.seconds)))
        try:
            cleaned = file.without_hooks(before)
            changed = file.with_hooks(cleaned, lambda agent, limit: f"curl {OWN_URL}{agent} {limit}")
        except InvalidJsonError:
            return
        assert file.installed(changed)
        assert file.without_hooks(changed) == cleaned

    return feed


# ---------------------------------------------------------------------- our own files


@with_folder
def state(seed: int, folder: Path) -> Feed:
    """The files that the tray keeps: each is read, or its problem is reported."""
    inputs = Inputs(seed)
    home = folder
    file = home / "file.json"

    def feed() -> None:
        shape = inputs.random.choice((_Cache, _File, ChannelRecord, StartedServer, StoredIdentity, Device))
        record: Any = inputs.record(shape, 6)
        if shape is _Cache:
            record["version"] = 1
        write(file, inputs.json(record if shape is not ChannelRecord else {"phone": record}))
        file.chmod(0o600)
        for read in (lambda: read_devices(file, "token"), lambda: read_channels(file), lambda: read_remotes(file),
                     lambda: read_servers(home), lambda: read_entry(file), lambda: read_endpoint(file),
                     lambda: audit.newest(file, 5), lambda: _take_cache(file)):  # fmt: skip
            read()
        if file.exists():  # a cache that is not valid is renamed
            with suppress(TeamIdentityError):
                read_identity(file)
        for left in home.glob("*.corrupt"):
            left.unlink()

    return feed


def _take_cache(path: Path) -> None:
    restored, _ = read_cache(path)
    if restored is not None:
        fleet = FuzzedFleet()
        fleet.apply((restored,), AT)
        fleet.look(AT)


class _Records(Inputs):
    """Draws records of the history, with times and numbers as the ledger bounds them."""

    today = day_number(AT)

    def text(self) -> str:
        """Return a text without lone surrogates, which no decoder lets through."""
        return super().text().encode("utf-8", "replace").decode()

    def number(self, name: str) -> int | None:
        match name:
            case "day" | "start":
                return self.today - self.random.randrange(150)
            case "threshold":
                return self.random.randrange(200)
            case "added" | "removed":
                return self.random.choice((0, 1, 10**7))
            case "reported" | "estimated":
                return self.random.choice((None, None, 0, 10**12))
            case _:
                return AT - self.random.randrange(10**10)

    def history_record(self) -> HistoryRecord | None:
        shape = self.random.choice((*get_args(HistoryRecord), StepRecord, StepRecord, StepRecord))
        if shape is StepsExpired and self.random.random() < 0.95:  # it removes what the others say
            return None
        fields = self.record(shape)
        for name in ("day", "start", "threshold", "added", "removed", "created", "started", "ended", "asked", "closed",
                     "at", "until", "reported", "estimated"):  # fmt: skip
            if name in shape.__struct_fields__:
                fields[name] = self.number(name)
        if shape is StepRecord:
            fields["tokens"] = {name: self.random.choice((0, 1, 10**12)) for name in Tokens.__struct_fields__}
        try:
            return msgspec.convert(fields, shape)
        except (*JSON_ERRORS, UnicodeEncodeError):
            return None


@with_folder
def history(seed: int, folder: Path) -> Feed:
    """The history: it stores what the ledger makes, answers all questions about that, and its sums agree."""
    inputs, path = _Records(seed), folder / "history.db"
    recorder = Recorder(open_history(path)[0])
    weakref.finalize(inputs, recorder.close)
    fleet = FuzzedFleet(store=recorder.store)
    fed = 0

    def feed() -> None:
        nonlocal fed
        fed += 1
        if inputs.random.random() < 0.5:
            try:
                fleet.apply(decode_event(fleet.server.id, inputs.json(inputs.event()), AT + fed), AT + fed)
            except FrameError:
                return
        else:
            record = inputs.history_record()
            if record is not None:
                recorder.store([record])
        if fed % BATCH == 0:
            _ask(path, inputs.today)

    return feed


def _ask(path: Path, today: int) -> None:
    """Ask the history what the page and the commands ask."""
    selection = Selection(today - 100, today)
    total = analytics.sums_of(path, selection)
    with closing(sqlite3.connect(path)) as connection:
        (steps,) = connection.execute("SELECT COALESCE(SUM(steps), 0) FROM daily").fetchone()
        (oldest,) = connection.execute("SELECT day FROM retention").fetchone()
        if not oldest:
            assert (steps,) == connection.execute("SELECT COUNT(*) FROM step WHERE NOT inherited").fetchone()
    assert total.steps <= steps
    for group in analytics.SERIES:
        for metric in analytics.METRICS:
            analytics.series(path, selection, group, metric)
    analytics.heat_map(path, selection)
    analytics.model_times(path, selection)
    analytics.token_kinds(path, selection)
    activity.waits(path, selection)
    activity.outcomes(path, selection)
    activity.hours(path, selection)
    activity.file_kinds(path, selection)
    for session in activity.top_sessions(path, selection):
        timeline(path, session.id)
    find_sessions(path, SessionQuery(text="日本 %s _ <script>"))
    stored_tokens(path, IDS)
    usage(path, today - 100, today, "model")
    for _ in csv_texts(exported_steps(path, selection)):
        pass
    for _ in json_texts(exported_steps(path, selection)):
        pass
