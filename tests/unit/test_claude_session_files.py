"""What a Claude Code session used, over all its files: subagents, forks and forks of forks count once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from claude_lines import USAGE, answer, prompt, text
from tray.agents.claude.inference import snapshot
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.session_files import SessionFiles
from tray.agents.claude.usage import SessionUsage
from tray.core.events import Digest
from tray.core.messages import Tokens

STEP = Tokens(1200, 34, 0, 300, 100)  # what each message uses
ZERO = Tokens()
START, LATER_START = 1_795_722_260_699, 1_795_722_400_202
BEGIN = 1_577_836_800  # s since the Unix epoch; before the files of the tests are written
ROOT = prompt("do it", uuid="root", timestamp="2020-01-01T00:00:00Z")
REQUEST = {"type": "api-request"}  # a line that a fork does not copy


def message(id_: str, **usage: int) -> dict[str, Any]:
    line = answer(text("x"), uuid=f"uuid-{id_}")
    return {**line, "message": {**line["message"], "id": id_, "usage": {**USAGE, **usage}}}


def cost(total: float, start: int = START) -> dict[str, Any]:
    return {"type": "cost-state", "totalCostUSD": total, "startTime": start}


class Home:
    """The folder of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def writes(self, name: str, *lines: dict[str, Any]) -> SessionFiles:
        """Append to a transcript."""
        path = self.folder / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)
        return SessionFiles(path)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def usage(files: SessionFiles) -> SessionUsage:
    files.read()
    return files.usage


def tokens(files: SessionFiles) -> tuple[Tokens, Tokens]:
    """Return the session's own tokens, and the inherited ones."""
    sums = usage(files)
    return sums.tokens, sums.inherited_tokens


def test_the_tokens_of_subagents_are_those_of_their_session(home: Home) -> None:
    session = home.writes("a", ROOT, REQUEST, message("m1"))
    home.writes("a/subagents/agent-1", message("m2"), message("m3"))
    home.writes("a/subagents/workflows/w/agent-2", message("m4"))
    assert usage(session) == SessionUsage(STEP + STEP + STEP + STEP)
    home.writes("a/subagents/agent-1", message("m5"))
    home.writes("a/subagents/agent-3", message("m6"))
    assert usage(session).tokens.total == 6 * STEP.total


def test_a_message_in_the_files_of_a_session_and_of_its_subagent_counts_once_with_the_larger_fields(home: Home) -> None:
    session = home.writes("a", ROOT, message("m1", output_tokens=0))
    home.writes("a/subagents/agent-1", message("m1", input_tokens=0), message("m2"))
    assert usage(session).tokens == STEP + STEP


@pytest.mark.parametrize("output_tokens", [34, 0])
def test_the_copies_in_a_fork_belong_to_its_parent(home: Home, output_tokens: int) -> None:
    parent = home.writes("p", ROOT, REQUEST, message("m1"))
    fork = home.writes("f", ROOT, message("m1", output_tokens=output_tokens), REQUEST, message("m2"))
    assert tokens(parent) == (STEP, ZERO)
    assert tokens(fork) == (STEP, STEP if output_tokens else STEP - Tokens(output=34))


@pytest.mark.parametrize("names", [("p", "f"), ("f", "p")])
def test_a_parent_that_went_on_after_the_fork_keeps_its_messages(home: Home, names: tuple[str, str]) -> None:
    parent = home.writes(names[0], ROOT, REQUEST, message("m1"), REQUEST, message("m3"), message("m4"))
    fork = home.writes(names[1], ROOT, message("m1"), REQUEST, message("m2"))
    assert [tokens(parent), tokens(fork)] == [(STEP + STEP + STEP, ZERO), (STEP, STEP)]


def test_a_fork_of_a_fork_inherits_from_both(home: Home) -> None:
    sessions = [
        home.writes("a", ROOT, REQUEST, message("m1")),
        home.writes("b", ROOT, message("m1"), REQUEST, message("m2")),
        home.writes("c", ROOT, message("m1"), message("m2"), REQUEST, message("m3")),
    ]
    assert [tokens(session) for session in sessions] == [(STEP, ZERO), (STEP, STEP), (STEP, STEP + STEP)]


def test_without_lines_between_the_messages_the_shorter_file_is_the_parent(home: Home) -> None:
    parent = home.writes("p", ROOT, message("m1"))
    fork = home.writes("f", ROOT, message("m1"), message("m2"))
    assert [tokens(parent), tokens(fork)] == [(STEP, ZERO), (STEP, STEP)]


def test_the_copies_of_a_branch_belong_to_its_parent_before_it_has_messages_of_its_own(home: Home) -> None:
    parent = home.writes("p", ROOT, message("m1"))
    branch = home.writes("b", ROOT, {**message("m1"), "forkedFrom": {"sessionId": "p"}})
    assert [tokens(parent), tokens(branch)] == [(STEP, ZERO), (ZERO, STEP)]


def test_a_fork_of_a_compacted_session_begins_with_the_compaction(home: Home) -> None:
    compaction = {"type": "system", "subtype": "compact_boundary", "uuid": "c", "timestamp": ROOT["timestamp"]}
    parent = home.writes("p", ROOT, REQUEST, message("m1"), REQUEST, message("m2"), REQUEST, compaction)
    fork = home.writes("f", compaction, message("m2"), REQUEST, message("m3"))
    assert [tokens(parent), tokens(fork)] == [(STEP + STEP, ZERO), (STEP, STEP)]


def test_the_cost_of_a_fork_is_without_that_of_its_parent_at_that_time(home: Home) -> None:
    parent = home.writes("p", ROOT, REQUEST, message("m1"), cost(0.5), REQUEST, message("m3"), cost(0.75))
    fork = home.writes("f", ROOT, message("m1"), REQUEST, message("m2"))
    assert usage(fork) == SessionUsage(STEP, 0.0, STEP)  # its cost is not known before it ends
    home.writes("f", cost(0.6))
    assert usage(fork) == SessionUsage(STEP, 0.1, STEP, 0.5)
    assert usage(parent) == SessionUsage(STEP + STEP, 0.75)


def test_the_cost_of_a_branch_begins_at_zero(home: Home) -> None:
    home.writes("p", ROOT, REQUEST, message("m1"), cost(0.5))
    branch = home.writes("b", ROOT, message("m1"), REQUEST, message("m2"), cost(0.1, LATER_START))
    assert usage(branch) == SessionUsage(STEP, 0.1, STEP)


def test_the_digest_contains_the_sums_of_all_files(home: Home) -> None:
    home.writes("p", ROOT, REQUEST, message("m1"), cost(0.5))
    fork = home.writes("f", ROOT, message("m1"), REQUEST, message("m2"), cost(0.6))
    home.writes("f/subagents/agent-1", message("m3"))
    taken = snapshot("server", RegistryEntry(7, "f"), fork.read(), usage=fork.usage)
    assert taken.sessions is not None
    digest = taken.sessions[0].digest
    assert isinstance(digest, Digest)
    assert (digest.tokens, digest.inherited_tokens) == (STEP + STEP, STEP)
    assert (digest.cost, digest.inherited_cost) == (0.1, 0.5)


def test_a_transcript_that_did_not_change_since_the_session_began_is_not_opened(home: Home) -> None:
    home.writes("p", ROOT, REQUEST, message("m1"))
    os.utime(home.folder / "p.jsonl", times=(BEGIN - 3600, BEGIN - 3600))
    fork = home.writes("f", ROOT, message("m1"), REQUEST, message("m2"))
    assert tokens(fork) == (STEP + STEP, ZERO)


def test_related_transcripts_are_looked_for_once_when_the_first_message_was_read(home: Home) -> None:
    session = home.writes("a", ROOT)
    assert tokens(session) == (ZERO, ZERO)
    home.writes("p", ROOT, REQUEST, message("m1"))
    home.writes("a", message("m1"))
    assert tokens(session) == (ZERO, STEP)
    home.writes("q", ROOT, REQUEST, message("m2"))
    home.writes("a", REQUEST, message("m2"))
    assert tokens(session) == (STEP, STEP)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]\n", b'{"uuid": 1}\n', b"\xff\xfe\n"])
def test_a_file_of_another_shape_is_not_related(home: Home, raw: bytes) -> None:
    (home.folder / "x.jsonl").write_bytes(raw)
    assert tokens(home.writes("a", ROOT, message("m1"))) == (STEP, ZERO)
