"""10,000 random and hostile texts, which the user sees as single lines of plain text of limited width."""

from __future__ import annotations

import unicodedata

import pytest

from fuzz import Fuzz
from replay import SERVER
from tray.core.alerts import AlertRules, wanted_alert
from tray.core.events import RequestAsked, ServerConnected, SessionFacts, SessionReported, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.core.sessions import Option, Question, Request, RequestKind
from tray.core.text import width
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.surfaces.menu.items import walk
from tray.surfaces.toasts import BODY_COLUMNS, BODY_LINES, TITLE_COLUMNS, as_shown_by, toast_of
from tray.system.notification_daemon import NotificationDaemon

TEXTS = 10_000
EACH = 8  # texts in one menu
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")
OVERRIDES = "\u202a\u202b\u202d\u202e\u2066\u2067"  # they reorder surrounding text; our isolates are balanced
COLUMNS = 100


def check_plain(text: str, columns: int) -> None:
    assert width(text) <= columns
    assert not any(unicodedata.category(character) in FORBIDDEN for character in text)
    assert not any(character in OVERRIDES for character in text)
    assert text.count("\u2068") == text.count("\u2069")


@pytest.mark.slow
def test_every_text_in_menus_and_notifications_is_plain_and_short_enough() -> None:
    fuzz = Fuzz(20261121)
    for round_ in range(TEXTS // EACH):
        title, directory, tool, detail, pattern, question, label, about = (fuzz.text() for _ in range(EACH))
        fleet = Fleet()
        index = SessionIndex(fleet)
        views = ViewBuilder(fleet, index)
        choice = Question(question, tool, (Option(label, about), Option("ok")), multiple=round_ % 2 == 0)
        asked = (
            Request("p", "a", RequestKind.PERMISSION, tool, detail, always=(pattern,), asked_at=1)
            if round_ % 3
            else Request("q", "a", RequestKind.QUESTION, tool, question, questions=(choice,), asked_at=1)
        )
        facts = SessionFacts("a", title=title, directory=directory)
        for event in (
            ServerConnected(SERVER),
            SnapshotTaken(SERVER.id),
            SessionReported(SERVER.id, facts),
            RequestAsked(SERVER.id, asked),
        ):
            index.update(fleet.apply(event, 1))
        view = views.build(ViewSettings(problems=(detail,)), 2)
        check_plain(view.tooltip, COLUMNS)
        for item in walk(view.menu):
            check_plain(item.label, COLUMNS)
        row = index.row("a")
        assert row is not None
        alert = wanted_alert(row, AlertRules(), "project")
        assert alert is not None
        for name, vendor, most in (("any", "", BODY_COLUMNS), ("lxqt-notificationd", "lxqt.org", 25)):
            shown = as_shown_by(NotificationDaemon(name, frozenset({"actions"}), vendor), toast_of(alert))
            lines = shown.body.split("\n")
            assert len(lines) <= BODY_LINES + 1
            for line in (*shown.title.split("\n"), *lines):
                check_plain(line, most)
            assert width(shown.title) <= TITLE_COLUMNS
            for button in shown.buttons:
                check_plain(button.label, COLUMNS)
