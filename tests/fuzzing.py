"""Random inputs for everything that the tray reads from others, built from the types of each protocol.

Run 100,000 inputs for each reader, or for those that are named; a failure prints the seed that repeats it:
PYTHONPATH=.:tests python tests/fuzzing.py [NAME ...] [--count N] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

import fuzz_files
import fuzz_services
from fuzz import HOSTILE, Inputs
from fuzz_fleet import FuzzedFleet
from replay import SERVER
from tray.agents.claude import hooks as claude_hooks
from tray.agents.claude.inference import snapshot as claude_snapshot
from tray.agents.claude.limits import RefusedLimit, with_refused
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.transcript import Transcript, TranscriptLine, _ApiError
from tray.agents.codex import hooks as codex_hooks
from tray.agents.codex import requests as codex_requests
from tray.agents.codex import rollout as codex
from tray.agents.codex.inference import ThreadState
from tray.agents.codex.inference import snapshot as codex_snapshot
from tray.agents.codex.protocol import Frame, Thread
from tray.agents.codex.requests import asked, thread_id_of
from tray.agents.copilot import events as copilot
from tray.agents.copilot.inference import snapshot as copilot_snapshot
from tray.agents.copilot.open_sessions import OpenSession
from tray.agents.gemini import hooks as gemini_hooks
from tray.agents.qwen import hooks as qwen_hooks
from tray.core.commands import Command, CommandResult, Surface
from tray.core.errors import UserError
from tray.core.events import ServerConnected, SessionFacts, SnapshotTaken, SourceEvent, StepsReported, TurnsReported
from tray.core.fleet import Fleet
from tray.core.lenient_json import decode_or
from tray.core.servers import AgentKind
from tray.core.session_commands import SESSION_COMMANDS
from tray.core.session_index import SessionIndex
from tray.core.settings import SETTINGS, SettingError, parse_settings
from tray.core.team import BEAT, CHANGE, PRESENCE, SNAPSHOT, Beat, Change, Presence, Snapshot, Topic
from tray.opencode.sse import Decoder
from tray.sources.agents.codex_thread import DaemonThread
from tray.sources.plugin.handshake import Auth, Hello, decode_auth, decode_hello
from tray.sources.protocol.events import FrameError, decode_event
from tray.sources.protocol.snapshot import decode_snapshot
from tray.sources.team.outbox import Outbox
from tray.sources.team.sealing import Opened, Sealer, UnsealError
from tray.sources.team.subscriber import Subscriber
from tray.surfaces.control.methods import ControlMethods, Params
from tray.surfaces.page.answers import AnswerBody
from tray.surfaces.page.history_routes import AnnotationBody, RemovalBody
from tray.surfaces.page.pairing_routes import PairBody, WaitBody
from tray.surfaces.page.push_routes import PressBody, SubscriptionBody
from tray.surfaces.page.session_routes import CommandBody, ConfirmBody

COUNT = 100_000  # inputs of each reader
AT = 1_790_000_000_000  # ms since the Unix epoch


def hooks(seed: int) -> Callable[[], None]:
    """The hooks of other agents: a payload is a report or none, and each answer is JSON."""
    inputs = Inputs(seed)
    readers = (claude_hooks.decode_hook, codex_hooks.decode_hook, qwen_hooks.decode_hook, gemini_hooks.decode_hook)
    shapes = (
        claude_hooks.HookPayload, codex_hooks.PermissionHook, qwen_hooks._Payload, gemini_hooks._Payload,  # noqa: SLF001
    )  # fmt: skip
    names = ("PermissionRequest", "PreToolUse", "Stop", "Notification", "SessionStart", "AfterAgent", "BeforeTool")

    def feed() -> None:
        record = inputs.record(inputs.random.choice(shapes))
        if inputs.random.random() < 0.8:
            record["hook_event_name"] = inputs.random.choice(names)
        raw = inputs.json(record)
        for read in readers:
            found = read(raw)
            if isinstance(found, claude_hooks.HookPayload):
                for output in (found.allow(always=True), found.answer([["a"], [inputs.text()]]), found.deny()):
                    json.loads(output)

    return feed


def transcripts(seed: int) -> Callable[[], None]:
    """The logs of Claude Code, Codex and Copilot CLI: a line changes the state, or nothing."""
    inputs = Inputs(seed)
    kinds = {
        "claude": ("assistant", "user", "system", "ai-title", "custom-title"),
        "codex": ("session_meta", "turn_context", "token_usage_record", "event_msg", "response_item"),
        "copilot": ("tool.execution_start", "tool.execution_complete", "permission.requested", "permission.completed",
                    "session.usage_record", "subagent.started", "session.start", "user.message", "session.error"),
    }  # fmt: skip
    payloads = tuple(shape for shape in vars(codex).values() if _is_record(shape, codex.__name__))
    data = tuple(shape for shape in vars(copilot).values() if _is_record(shape, copilot.__name__))
    claude_message = (_field_type(TranscriptLine, "message"),)
    fleets = {kind: FuzzedFleet(kind) for kind in (AgentKind.CLAUDE, AgentKind.CODEX, AgentKind.COPILOT)}
    made: list[Any] = [Transcript(), codex.Rollout(), copilot.Events()]

    def error() -> dict[str, Any]:
        limits = inputs.record(RefusedLimit) | {"rateLimitType": "five_hour"}
        return inputs.record(_ApiError) | {"rateLimits": limits}

    def feed() -> None:
        if inputs.random.random() < 0.001:  # a new file
            made[:] = [Transcript(), codex.Rollout(), copilot.Events()]
        made[0].add(inputs.line(TranscriptLine, kinds["claude"], "message", claude_message))
        if inputs.random.random() < 0.1:
            retry = inputs.record(TranscriptLine) | {"type": "system", "subtype": "api_error", "error": error()}
            made[0].add(inputs.json(retry))
        made[1].add(inputs.line(codex.RolloutLine, kinds["codex"], "payload", payloads))
        made[2].add(inputs.line(copilot.EventLine, kinds["copilot"], "data", data))
        if inputs.random.random() < 0.02:
            look()

    def look() -> None:
        claude, thread, events = made
        limits = with_refused((), claude.refused, AT)
        entry = decode_or(inputs.json(inputs.record(RegistryEntry)), RegistryEntry, RegistryEntry(7, "s"))
        state = ThreadState("t", "/work", thread, is_active=inputs.random.random() < 0.5)
        session = OpenSession("s", Path("/work"), 7, 1.0)
        shown = {
            AgentKind.CLAUDE: (
                claude_snapshot("", entry, claude, plan_limits=limits),
                claude.usage.steps,
                claude.turns,
            ),
            AgentKind.CODEX: (codex_snapshot("", [state]), thread.steps, thread.turns),
            AgentKind.COPILOT: (copilot_snapshot("", session, events), events.steps, events.turns),
        }
        for kind, (snapshot, steps, turns) in shown.items():
            server = fleets[kind].server.id
            taken = steps.take("t/") if kind is AgentKind.CODEX else steps.take()
            session_id = (snapshot.sessions or ())[0].id
            reports = StepsReported(server, session_id, taken), TurnsReported(server, session_id, turns.take())
            fleets[kind].apply((msgspec.structs.replace(snapshot, server_id=server), *reports), AT)
            fleets[kind].look(AT)

    return feed


def _is_record(shape: Any, module: str) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct) and shape.__module__ == module


def _field_type(shape: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """Return the record that a field holds, if it is not None."""
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)
    kind = next(field.type for field in info.fields if field.name == name)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next(kind.cls for kind in kinds if isinstance(kind, inspect.StructType))


def frames(seed: int) -> Callable[[], None]:
    """The plugin's frames: each is applied or refused, and icon, menu and report can be built afterwards."""
    inputs, fleet = Inputs(seed), FuzzedFleet()
    fed = 0

    def feed() -> None:
        nonlocal fed
        fed += 1
        is_event = inputs.random.random() < 0.97
        raw = inputs.json(inputs.event() if is_event else inputs.snapshot())
        try:
            events = (
                decode_event(SERVER.id, raw, AT + fed) if is_event else (decode_snapshot(SERVER.id, raw, AT + fed),)
            )
        except FrameError:
            return
        fleet.apply(events, AT + fed)

    return feed


def handshake(seed: int) -> Callable[[], None]:
    """The frames of the handshake: each is refused, or names a server that can be shown."""
    inputs, fleet = Inputs(seed), FuzzedFleet()
    remotes = ("127.0.0.1", "::1", "::ffff:10.0.0.7", "fe80::1%eth0")
    urls = ("http://auto:4096", "http://[::1", "https://h:99999", "javascript:alert(1)", "http://a@b:1/../?#", "AUTO")

    def feed() -> None:
        record = {"type": "hello", "protocol": 2, "nonce": "0" * 64, "instance": "a-1", "serverId": "h-7"}
        record |= {name: value for name, value in inputs.record(Hello).items() if inputs.random.random() < 0.7}
        if inputs.random.random() < 0.3:
            record["serverUrl"] = inputs.random.choice(urls)
        if inputs.random.random() < 0.02:
            fleet.look(AT)
        if inputs.random.random() < 0.9:  # most texts that are drawn are too long, or no name
            record |= {"protocol": 2, "nonce": "0" * 64, "instance": "a-1", "key": ""}
        try:
            hello = decode_hello(inputs.json(record))
            fleet.connect(hello.to_server(SERVER.id, inputs.random.choice(remotes), verified=True, at=AT), AT)
        except FrameError:
            pass
        with suppress(FrameError):
            decode_auth(inputs.json({"type": "auth", **inputs.record(Auth)}))

    return feed


def control(seed: int) -> Callable[[], None]:
    """The calls of commands: each is a command of ours, or refused with a reason."""
    inputs, fleet = Inputs(seed), Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(SERVER.id, (SessionFacts("ses_1"), SessionFacts("ses_2")))):
        index.update(fleet.apply(event, AT))
    taken: list[Command] = []

    async def execute(command: Command, _: Surface) -> CommandResult:
        taken.append(command)
        return CommandResult(ok=True, message="")

    methods = ControlMethods(fleet, index, execute)
    names = ("reply", "mute", "unmute", "phone", "phone.decide", "devices.revoke", "dashboard", *SESSION_COMMANDS)

    def feed() -> None:
        record = inputs.record(Params)
        if inputs.random.random() < 0.7:
            record["session"] = inputs.random.choice(("ses_1", "ses", "", "ses_2"))
        call = methods.run(inputs.random.choice((*names, inputs.text())), msgspec.Raw(inputs.json(record)))
        with suppress(UserError):
            drive(call)
        taken.clear()

    return feed


def drive(call: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def daemon(seed: int) -> Callable[[], None]:
    """The frames of Codex' daemon: each is a request that can be shown, a thread, or ignored."""
    inputs, fleet = Inputs(seed), FuzzedFleet(AgentKind.CODEX)
    requests = {
        "item/commandExecution/requestApproval": codex_requests._Command,  # noqa: SLF001
        "item/fileChange/requestApproval": codex_requests._FileChange,  # noqa: SLF001
        "item/permissions/requestApproval": codex_requests._Permissions,  # noqa: SLF001
        "mcpServer/elicitation/request": codex_requests._Elicitation,  # noqa: SLF001
        "item/tool/requestUserInput": codex_requests._Questions,  # noqa: SLF001
    }
    decisions = (
        {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", 7]}},
        {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "h", "action": "allow"}}},
        "acceptForSession",
    )
    threads: list[ThreadState] = []

    def feed() -> None:
        method = inputs.random.choice(tuple(requests))
        params = inputs.record(requests[method])
        if inputs.random.random() < 0.3:
            params["availableDecisions"] = [inputs.random.choice(decisions), inputs.anything(2)]
        raw = inputs.json({"method": method, "id": inputs.random.choice((1, "a", 2**70)), "params": params})
        frame = decode_or(raw, Frame, Frame())
        item = asked(frame, None, AT)
        thread = DaemonThread(decode_or(inputs.json(inputs.record(Thread)), Thread, Thread("t")))
        thread_id_of(frame)
        if item is not None:
            json.dumps((item.once, item.always, item.reject))
            thread.asked = {item.frame_id: item}
        threads.append(thread.state(AT))
        if len(threads) == 20:
            fleet.apply((codex_snapshot(fleet.server.id, threads),), AT)
            fleet.look(AT)
            threads.clear()

    return feed


def team(seed: int) -> Callable[[], None]:
    """What the members of a team publish: it is taken and can be shown, or refused."""
    inputs, fleet = Inputs(seed), FuzzedFleet()
    reported: list[SourceEvent] = []
    sealer = Sealer(bytes(32), bytes(range(32)))
    subscriber = Subscriber(sealer.key, Outbox("team", sealer, _publish), reported.append)
    shapes: dict[str, type[msgspec.Struct]] = {PRESENCE: Presence, SNAPSHOT: Snapshot, BEAT: Beat, CHANGE: Change}

    def feed() -> None:
        kind = inputs.random.choice(tuple(shapes))
        record = inputs.record(shapes[kind])
        topic = Topic("team", inputs.random.choice(("a" * 16, "b" * 16, inputs.text())), kind)
        try:
            subscriber.receive(topic, Opened("", inputs.json(record)))
        except UnsealError:
            return
        finally:
            fleet.apply(reported, AT)
            reported.clear()

    return feed


async def _publish(_: object) -> None:
    """Publish nothing."""


def event_stream(seed: int) -> Callable[[], None]:
    """A stream of Server-Sent Events: what it holds does not depend on how it is cut."""
    inputs = Inputs(seed)
    pieces = (b"data: ", b"data:", b"\n", b"\r\n", b"\n\n", b": comment\n", b"event: x\n", b"id: 7\n", b"\x00", b"\xff")

    def feed() -> None:
        drawn = (inputs.random.choice((*pieces, inputs.json(inputs.anything(1))[:200])) for _ in range(20))
        stream = b"".join(drawn)
        cuts = sorted(inputs.random.randrange(len(stream) + 1) for _ in range(inputs.random.randrange(6)))
        whole, cut = Decoder(), Decoder()
        borders = [0, *cuts, len(stream)]
        in_parts = [event for begin, end in pairwise(borders) for event in cut.feed(stream[begin:end])]
        assert in_parts == list(whole.feed(stream))

    return feed


def page(seed: int) -> Callable[[], None]:
    """The bodies of the page's calls: each is a record or refused."""
    inputs = Inputs(seed)
    shapes = (
        AnswerBody,
        AnnotationBody,
        RemovalBody,
        PairBody,
        WaitBody,
        PressBody,
        SubscriptionBody,
        CommandBody,
        ConfirmBody,
    )

    def feed() -> None:
        shape: Any = inputs.random.choice(shapes)
        try:
            body = msgspec.json.decode(inputs.json(inputs.record(shape)), type=shape)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        assert isinstance(body, shape)

    return feed


def settings(seed: int) -> Callable[[], None]:
    """The settings file, its variables and flags: valid settings, or an error that names what is wrong."""
    inputs = Inputs(seed)
    keys = [setting.key for setting in SETTINGS]

    def value() -> Any:
        setting = inputs.random.choice(SETTINGS)
        plain = (
            setting.default if not isinstance(setting.default, tuple) else [],
            7,
            -1,
            2**70,
            "",
            "off",
            "mqtt://h:1",
        )
        tables = [{inputs.random.choice(("name", "ssh", "url", "kind", "amount", "token_env")): inputs.anything(1)}]
        return inputs.random.choice((*plain, tables, inputs.anything(2), inputs.random.choice(HOSTILE)))

    def feed() -> None:
        file: dict[str, Any] = {}
        for _ in range(inputs.random.randrange(3)):
            key = inputs.random.choice((*keys, inputs.text()))
            table, _, name = key.rpartition(".")
            (file.setdefault(table, {}) if table else file)[name] = value()
        variables = {f"OPENCODE_TRAY_{inputs.random.choice(keys).upper().replace('.', '_')}": inputs.text()}
        flags = {inputs.random.choice(keys): value()} if inputs.random.random() < 0.2 else {}
        try:
            parsed = parse_settings(file, "settings.toml", variables, flags)
        except SettingError:
            return
        for setting in SETTINGS:
            json.dumps(setting.show(parsed[setting]))

    return feed


READERS: dict[str, Callable[[int], Callable[[], None]]] = {
    "hooks": hooks,
    "transcripts": transcripts,
    "frames": frames,
    "handshake": handshake,
    "control": control,
    "daemon": daemon,
    "team": team,
    "event-stream": event_stream,
    "page": page,
    "settings": settings,
    "database": fuzz_files.opencode_database,
    "storage": fuzz_files.opencode_storage,
    "logs": fuzz_files.opencode_logs,
    "agent-files": fuzz_files.agent_files,
    "agent-settings": fuzz_files.agent_settings,
    "state": fuzz_files.state,
    "history": fuzz_files.history,
    "channels": fuzz_services.channels,
    "http": fuzz_services.opencode_http,
}


def run(name: str, seed: int, count: int) -> None:
    """Feed a reader with this number of inputs. Raises what it raises, with the number of the input as a note."""
    feed = READERS[name](seed)
    for number in range(count):
        try:
            feed()
        except BaseException as error:
            error.add_note(f"input {number} of {name} with --seed {seed}")
            raise


def main() -> None:
    """Feed the readers and print how fast they were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(READERS)}; default: all")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311  # no secret
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what is wrong with an input
    for name in options.names or READERS:
        if name not in READERS:
            sys.exit(f"unknown reader {name}; known: {', '.join(READERS)}")
        started = time.perf_counter()
        run(name, options.seed, options.count)
        passed = time.perf_counter() - started
        print(
            f"{name:13} {options.count} inputs, seed {options.seed}: {1e6 * passed / options.count:.0f} µs each",
            flush=True,
        )


if __name__ == "__main__":
    main()
