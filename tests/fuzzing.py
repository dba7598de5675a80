"""Random inputs for everything that the tray reads from others, built from the types of each protocol.

Run 100,000 inputs for each reader, or for those that are named; a failure prints the seed that repeats it:
PYTHONPATH=.:tests python tests/fuzzing.py [NAME ...] [--count N] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import inspect

from fuzz import HOSTILE, Fuzz
from replay import SERVER
from tray.agents.claude import hooks as claude_hooks
from tray.agents.claude.transcript import Transcript, TranscriptLine
from tray.agents.codex import hooks as codex_hooks
from tray.agents.codex import rollout as codex
from tray.agents.copilot import events as copilot
from tray.agents.gemini import hooks as gemini_hooks
from tray.agents.qwen import hooks as qwen_hooks
from tray.core.events import ServerConnected, SourceEvent
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.core.settings import SETTINGS, SettingError, parse_settings
from tray.core.team import BEAT, CHANGE, PRESENCE, SNAPSHOT, Beat, Change, Presence, Snapshot, Topic
from tray.opencode.sse import Decoder
from tray.sources.protocol.events import FrameError, decode_event
from tray.sources.protocol.snapshot import decode_snapshot
from tray.sources.team.outbox import Outbox
from tray.sources.team.sealing import Opened, Sealer, UnsealError
from tray.sources.team.subscriber import Subscriber
from tray.surfaces.control.status_report import status_report
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.surfaces.page.answers import AnswerBody
from tray.surfaces.page.history_routes import AnnotationBody, RemovalBody
from tray.surfaces.page.pairing_routes import PairBody, WaitBody
from tray.surfaces.page.push_routes import PressBody, SubscriptionBody
from tray.surfaces.page.session_routes import CommandBody, ConfirmBody

COUNT = 100_000  # inputs of each reader
DAMAGED_SHARE = 0.1  # of the inputs are cut, or have wrong bytes
RAW_DEPTH = 3  # levels of a value of any type
AT = 1_790_000_000_000  # ms since the Unix epoch


class Inputs(Fuzz):
    """Draws inputs: records of the protocols' types, with values of any type where the type says nothing."""

    def value(self, kind: inspect.Type, depth: int = 4) -> Any:
        """Return a value of this type, sometimes of a wrong type."""
        if isinstance(kind, inspect.RawType | inspect.AnyType):
            return self.anything(RAW_DEPTH)
        return super().value(kind, depth)

    def anything(self, depth: int) -> Any:
        """Return any JSON value."""
        draw = self.random.randrange(8 if depth > 0 else 6)
        if draw == 6:
            return [self.anything(depth - 1) for _ in range(self.random.randrange(4))]
        if draw == 7:
            return {self.random.choice((self.text(), *COMMON)): self.anything(depth - 1) for _ in range(3)}
        return (None, True, self.random.randint(-(2**65), 2**65), self.random.uniform(-1e12, 1e12), self.text(),
                self.random.choice(COMMON))[draw]  # fmt: skip

    def json(self, value: Any) -> bytes:
        """Return the value as JSON, sometimes damaged."""
        raw = json.dumps(value, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")
        return self.damaged(raw) if self.random.random() < DAMAGED_SHARE else raw

    def damaged(self, raw: bytes) -> bytes:
        """Return the bytes cut, with one of them changed, or nested a thousand times."""
        place = self.random.randrange(len(raw) + 1)
        return self.random.choice(
            (raw[:place], raw[:place] + self.random.randbytes(3) + raw[place:], raw[place:], b"[" * 1_000 + raw, b"")
        )

    def line(self, shape: type[msgspec.Struct], kinds: tuple[str, ...], field: str, shapes: tuple[Any, ...]) -> bytes:
        """Return a line of a log: a record of a kind, with a record of another type in one of its fields."""
        record = self.record(shape)
        record["type"] = self.random.choice((*kinds, self.text()))
        record["timestamp"] = self.random.choice(TIMES)
        record[field] = self.record(self.random.choice(shapes)) if self.random.random() < 0.9 else self.anything(2)
        return self.json(record)


COMMON = ("command", "questions", "question", "options", "label", "text", "type", "content", "id", "path", "message")
TIMES = ("2026-11-28T08:00:00Z", "2026-11-28T08:00:00.123456+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
         "2026-13-45", "", "now", "2026-11-28T08:00:00")  # fmt: skip


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
    made: list[Any] = [Transcript(), codex.Rollout(), copilot.Events()]

    def feed() -> None:
        if inputs.random.random() < 0.001:  # a new file
            made[:] = [Transcript(), codex.Rollout(), copilot.Events()]
        made[0].add(inputs.line(TranscriptLine, kinds["claude"], "message", claude_message))
        made[1].add(inputs.line(codex.RolloutLine, kinds["codex"], "payload", payloads))
        made[2].add(inputs.line(copilot.EventLine, kinds["copilot"], "data", data))
        assert isinstance(made[0].title, str)
        assert isinstance(made[1].model, str)
        assert isinstance(made[2].is_busy, bool)

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
    inputs, fleet = Inputs(seed), Fleet()
    index = SessionIndex(fleet)
    views = ViewBuilder(fleet, index)
    fleet.apply(ServerConnected(SERVER), AT)
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
        for event in events:
            index.update(fleet.apply(event, AT + fed))
        if fed % 500 == 0:
            views.build(ViewSettings(), AT + fed)
            json.dumps(status_report(fleet, index))

    return feed


def team(seed: int) -> Callable[[], None]:
    """What the members of a team publish: it is taken or refused."""
    inputs = Inputs(seed)
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
    "team": team,
    "event-stream": event_stream,
    "page": page,
    "settings": settings,
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
