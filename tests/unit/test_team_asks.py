"""An answer of another tray is taken only if it is signed by a named key, new, not repeated, and of what was shown."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tray.core.answers import Decline, Permit, Reply, Verdict
from tray.core.request_digest import digest
from tray.core.sessions import Request, RequestKind
from tray.core.team import AnswerWanted
from tray.core.team_asks import MAX_AGE, AskChecks, AskRefusedError
from tray.core.team_settings import TrustedTray

AT = 1_790_000_000_000
REQUEST = Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", "ls", always=("ls *",))
ASK = AnswerWanted("id-1", AT, "", "server", "per_1", digest("server", REQUEST), Verdict.ONCE)
ANNA = TrustedTray("anna", "key-of-anna")


def test_an_answer_of_a_named_tray_is_taken_under_the_name_of_the_settings() -> None:
    assert AskChecks().check(ASK, ANNA.key, [ANNA], REQUEST, AT) == ANNA


@pytest.mark.parametrize(
    ("sender", "ask", "request_", "why"),
    [
        ("key-of-mallory", ASK, REQUEST, "not named"),
        (ANNA.key, replace(ASK, at=AT - MAX_AGE - 1), REQUEST, "too late"),
        (ANNA.key, replace(ASK, at=AT + MAX_AGE + 1), REQUEST, "clocks"),
        (ANNA.key, ASK, None, "no longer waiting"),
        (ANNA.key, ASK, replace(REQUEST, detail="rm -rf /"), "has changed"),
        (ANNA.key, ASK, replace(REQUEST, always=("*",)), "has changed"),
        (ANNA.key, replace(ASK, server="other"), REQUEST, "has changed"),
        (ANNA.key, replace(ASK, seen=""), REQUEST, "has changed"),
    ],
)
def test_another_answer_is_refused(sender: str, ask: AnswerWanted, request_: Request | None, why: str) -> None:
    with pytest.raises(AskRefusedError, match=why):
        AskChecks().check(ask, sender, [ANNA], request_, AT)


def test_without_the_setting_all_answers_are_refused() -> None:
    with pytest.raises(AskRefusedError, match="not named"):
        AskChecks().check(ASK, ANNA.key, (), REQUEST, AT)


def test_an_answer_counts_once_as_long_as_it_could_be_repeated() -> None:
    checks = AskChecks()
    checks.check(ASK, ANNA.key, [ANNA], REQUEST, AT - MAX_AGE)
    for at in (AT - MAX_AGE, AT, AT + MAX_AGE):
        with pytest.raises(AskRefusedError, match="sent before"):
            checks.check(ASK, ANNA.key, [ANNA], REQUEST, at)
    with pytest.raises(AskRefusedError, match="too late"):
        checks.check(ASK, ANNA.key, [ANNA], REQUEST, AT + MAX_AGE + 1)
    checks.check(replace(ASK, id="id-2"), ANNA.key, [ANNA], REQUEST, AT)


def test_the_answer_of_a_record_is_a_verdict_or_the_chosen_labels_or_a_rejection() -> None:
    assert ASK.answer == Permit(Verdict.ONCE)
    assert replace(ASK, verdict=Verdict.REJECT, message="no").answer == Permit(Verdict.REJECT, "no")
    assert replace(ASK, verdict=None, answers=(("Red",),)).answer == Reply((("Red",),))
    assert replace(ASK, verdict=None).answer == Decline()
