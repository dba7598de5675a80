"""Random frames and texts built from the types of the protocol, some of them invalid; reproducible by seed."""

from __future__ import annotations

import json
import random
import sys
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from tray.sources.protocol.events import EVENTS

IDS = [f"{kind}_{number}" for kind in ("ses", "per", "que", "msg", "prt") for number in range(12)]
WORDS = ["busy", "idle", "retry", "running", "completed", "tool", "text", "user", "assistant", "bash", "once", "stop"]
HOSTILE = [
    "<b>bold</b> &amp; <script>", "_mnemonic_ & Co.", "\x00\x1b[31m\r\n\t", "\u202egnp.exe\u2066", "%s %n {0}",
    "x" * 5_000, "日本語" * 200, "עברית " * 50, "👩‍👩‍👧‍👦" * 20, "a\u0301\u0323" * 30,
    " ", "\u2028\u2029", "\ud800", "../../etc/passwd", "",
]  # fmt: skip
WRONG_TYPE_SHARE = 0.002  # share of values with a wrong type
DAMAGED_SHARE = 0.1  # of the inputs are cut, or have wrong bytes
RAW_DEPTH = 3  # levels of a value of any type
NUMBERS = [0, 1, -1, 2**31, 2**53, 2**63, 2**64 + 1, -(2**63), 1e308, -1e308, 0.1, 1e-300]


@lru_cache
def _fields(shape: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)
    return info.fields


class Fuzz:
    """Draws random values from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # no secret

    def text(self) -> str:
        """Return a text of arbitrary characters, sometimes a hand-written hostile one."""
        draw = self.random.random()
        if draw < 0.3:
            return self.random.choice(HOSTILE)
        if draw < 0.4:
            return self.random.choice(HOSTILE) + self.random.choice(WORDS) + self.random.choice(HOSTILE)
        length = self.random.choice((1, 3, 20, 200))
        top = self.random.choice((0x7F, 0x24F, 0xFFFF, sys.maxunicode))
        return "".join(map(chr, self.random.choices(range(top + 1), k=length)))

    def value(self, kind: inspect.Type, depth: int = 4) -> Any:
        """Return a value of this type, sometimes of a wrong type."""
        if self.random.random() < WRONG_TYPE_SHARE:
            return self.random.choice([None, True, 7, "x", [], {}, [[]], {"a": {"b": 1}}, self.text()])
        match kind:
            case inspect.StructType(cls=cls):
                return self.record(cls, depth - 1)
            case inspect.StrType():
                return self.random.choice((self.random.choice(IDS), self.random.choice(WORDS), self.text()))
            case inspect.BoolType():
                return self.random.random() < 0.5
            case inspect.IntType() | inspect.FloatType():
                return self.random.choice((*NUMBERS, self.random.randint(0, 10**13)))
            case inspect.LiteralType(values=values):
                return self.random.choice(values)
            case inspect.EnumType(cls=cls):
                return self.random.choice(list(cls)).value
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
                return [
                    self.value(item, depth - 1) for _ in range(self.random.choice((0, 1, 2, 5)) if depth > 0 else 0)
                ]
            case inspect.DictType(value_type=item):
                keys = {
                    self.random.choice((*IDS, "command", "diff", self.text())) for _ in range(3 if depth > 0 else 0)
                }
                return {key: self.value(item, depth - 1) for key in keys}
            case inspect.UnionType(types=types):
                return self.value(self.random.choice(types), depth)
            case inspect.NoneType():
                return None
            case _:
                return self.random.choice([None, 1, "x", self.text(), [], {"a": 1}])

    def record(self, shape: type[msgspec.Struct], depth: int = 4) -> dict[str, Any]:
        """Return the fields of a record, some of them missing, sometimes with an unknown one."""
        fields = {
            field.encode_name: self.random.choice(IDS)
            if field.name in ("id", "sessionID")
            else self.value(field.type, depth)
            for field in _fields(shape)
            if field.required or self.random.random() < 0.6
        }
        if self.random.random() < 0.05:
            fields.pop(next(iter(fields), ""), None)
        if self.random.random() < 0.05:
            fields[self.text()] = self.text()
        return fields

    def event(self) -> list[Any]:
        """Return an event of protocol 2."""
        kind = self.random.choice(list(EVENTS))
        return [kind, self.record(EVENTS[kind].shape)]

    def snapshot(self) -> dict[str, Any]:
        """Return a snapshot made of the same records as the events."""
        session, status = EVENTS["session.created"].shape, EVENTS["session.status"].shape

        def some(shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
            return [self.record(shape) for _ in range(self.random.randint(0, 4))]

        sections = {
            "sessions": [properties.get("info") for properties in some(session)],
            "status": {self.random.choice(IDS): properties.get("status") for properties in some(status)},
            "permissions": some(EVENTS["permission.asked"].shape),
            "questions": some(EVENTS["question.asked"].shape),
            "todos": {
                self.random.choice(IDS): properties.get("todos") for properties in some(EVENTS["todo.updated"].shape)
            },
            "limits": {self.random.choice(WORDS): self.random.choice(NUMBERS)},
            "branch": self.text(),
        }
        kept = {name: value for name, value in sections.items() if self.random.random() < 0.6}
        if self.random.random() < 0.1:
            kept[self.random.choice(list(sections))] = self.random.choice([None, 7, "x", [7, None], {"x": 7}])
        return {"type": "snapshot", **kept}

    def frame(self) -> str:
        """Return a frame, mostly an event; invalid JSON is rare, as 100 invalid frames a minute end the connection."""
        draw = self.random.random()
        if draw < 0.97:
            return json.dumps(self.event(), ensure_ascii=True)
        if draw < 0.99:
            return json.dumps(self.snapshot())
        return self.random.choice(
            [
                '{"type":"goodbye"}',
                '{"type":"hello"}',
                "[]",
                "[1,2,3]",
                "null",
                "{",
                '"\ufffd"',
                '["session.updated"',
                "7",
            ]
        )


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
