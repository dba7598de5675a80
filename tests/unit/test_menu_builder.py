"""The menu as a value: sections in order, whoever needs you never cut, stable keys, text that is only text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from replay import SERVER
from stories import stories
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.commands import (
    FOREVER,
    AnswerRequest,
    AskForAnswer,
    CopyText,
    DeleteSession,
    DismissSession,
    InstallPlugin,
    Mute,
    OpenNextSession,
    OpenSession,
    Quit,
    RunDoctor,
    SendDraftAnswer,
    StopTurn,
    Unmute,
)
from tray.core.events import (
    ActivityReported,
    AnswerDrafted,
    AnswerFailed,
    AnswerSent,
    Event,
    MessageReported,
    MuteSet,
    RequestAsked,
    ServerConnected,
    ServerLost,
    SessionFacts,
    SessionFailed,
    SessionReported,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.model import (
    Activity,
    Failure,
    Message,
    Option,
    Question,
    Request,
    RequestKind,
    Server,
    SessionKey,
    Source,
    Status,
    Tokens,
)
from tray.core.session_index import SessionIndex
from tray.core.text import GOES_ON, width
from tray.surfaces.menu.builder import LINES, Setup, ViewBuilder, ViewSettings
from tray.surfaces.menu.items import Entry, Item, Opened, default_choice, walk
from tray.surfaces.menu.view import IconView, TrayView

S = SERVER.id
AT = 1_795_237_290_000
HOSTILE = [
    "__init__ & Co. _file",
    "<b>bold</b> &amp; <script>",
    "line\nbreak\ttab\r\x00\x1b[31m",
    "evil\u202egnp.exe\u2066",
    "x" * 10_000,
    "日本語のとても長い題名" * 50,
    "عنوان طويل جدا " * 50,
    "👩‍👩‍👧‍👦 family",
    "",
    "\ud800",
]


WHOLE = Opened(everything=True)


def shown(*events: Event, look: ViewSettings | None = None, opened: Opened = WHOLE) -> TrayView:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
        index.update(fleet.apply(event, AT))
    return ViewBuilder(fleet, index).view(look or ViewSettings(), AT + 4 * 60_000, opened)


def session(name: str, **facts: Any) -> SessionReported:
    return SessionReported(S, SessionFacts(name, **facts))


def asks(name: str, detail: str = "rm -rf build", at: int = AT) -> RequestAsked:
    return RequestAsked(S, Request(f"per_{name}", name, RequestKind.PERMISSION, "bash", detail, asked_at=at))


def busy(name: str) -> tuple[Event, ...]:
    return session(name, title=name), ActivityReported(S, name, Activity.BUSY)


def finished(name: str) -> tuple[Event, ...]:
    done = MessageReported(S, name, Message("msg_1", finish="stop"))
    return (*busy(name), done, ActivityReported(S, name, Activity.IDLE))


def labels(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.label for entry in entries if isinstance(entry, Item)]


def item(view: TrayView, key: str) -> Item:
    return next(found for found in walk(view.menu) if found.key == key)


def test_the_sections_come_in_the_order_of_urgency() -> None:
    view = shown(
        session("rests"), *finished("done"), *busy("works"), session("fails"), SessionFailed(S, "fails", Failure("X")),
        session("waits"), asks("waits"),
    )  # fmt: skip
    top = [entry.key for entry in view.menu if isinstance(entry, Item)]
    sections = [key for key in top if key in ("needs", "working", "finished", "idle", "disconnected")]
    assert sections == ["needs", "working", "finished", "idle"]
    assert top.index("waits") < top.index("fails") < top.index("works") < top.index("done")


def test_a_row_says_mark_project_title_reason_and_age_and_goes_there() -> None:
    view = shown(session("waits", title="Fix the parser"), asks("waits"))
    row = item(view, "waits")
    assert (row.mark, row.label) == (Status.WAITING_FOR_PERMISSION, "project · Fix the parser · 4m")
    assert item(view, "waits:per_waits").label.strip() == "Answer: bash: rm -rf build"
    assert row.choice == OpenSession(SessionKey(S, "waits"))
    assert row.children == ()


def offered(entries: tuple[Entry, ...]) -> list[str]:
    """What a click does something about, other than copying the text that it is on."""
    return [e.key for e in walk(entries) if e.enabled and not isinstance(e.choice, CopyText)]


def answers(view: TrayView, request: str = "waits:per_waits") -> tuple[Entry, ...]:
    return item(view, request).children


def test_what_is_asked_stands_in_full_over_the_answers_to_it() -> None:
    command = "git push --force-with-lease origin main && " + "echo pushed " * 12
    view = shown(session("waits"), asks("waits", command))
    lines = [entry.label for entry in answers(view) if isinstance(entry, Item) and entry.key.startswith("line")]
    assert lines[0] == "bash:"
    assert all(line.startswith(GOES_ON) for line in lines[2:])
    assert "".join(line.removeprefix(GOES_ON) for line in lines[1:]) == command.strip()
    assert labels(answers(view))[len(lines) :] == ["Allow once", "Reject", "Reject with a message…", "Go there"]


def test_every_request_has_answers_of_its_own() -> None:
    second = RequestAsked(S, Request("per_2", "waits", RequestKind.PERMISSION, "bash", "pwd", asked_at=AT))
    two = shown(session("waits"), asks("waits", "ls"), second)
    assert [entry.key for entry in two.menu if entry.key.startswith("waits:")] == ["waits:per_waits", "waits:per_2"]
    for request in ("per_waits", "per_2"):
        once = next(e for e in walk(answers(two, f"waits:{request}")) if e.key == "once")
        assert isinstance(once.choice, AnswerRequest)
        assert once.choice.request == RequestKey(S, request)


def test_always_names_the_patterns_and_asks_again() -> None:
    request = Request("per_waits", "waits", RequestKind.PERMISSION, "bash", "git push", always=("git push *", "git *"))
    view = shown(session("waits"), RequestAsked(S, request))
    always = item(view, "always")
    assert always.choice is None
    assert labels(always.children) == ["git push *", "git *", "Yes, always allow this"]
    sure = item(view, "sure")
    assert sure.choice == AnswerRequest(
        RequestKey(S, "per_waits"), Permit(Verdict.ALWAYS), replace(request, asked_at=AT)
    )


@pytest.mark.parametrize(
    "hidden",
    [
        {"detail": "rm -rf /tmp/x\u202e"},
        {"detail": "ls", "complete": False},
        {"detail": "\n".join(f"line {number}" for number in range(40))},
    ],
)
def test_what_cannot_be_shown_whole_can_be_rejected_but_not_allowed(hidden: dict[str, Any]) -> None:
    request = Request("per_waits", "waits", RequestKind.PERMISSION, "bash", always=("ls *",), **hidden)
    view = shown(session("waits"), RequestAsked(S, request))
    assert offered(answers(view)) == ["reject", "reject-in-words", "go"]


@pytest.mark.parametrize(
    ("version", "url", "key", "told"),
    [
        ("1.0.185", None, "reject-in-words", "OpenCode 1.0.185 takes no message with a rejection"),
        ("1.14.41", None, "deaf", "OpenCode 1.14.41: its terminal UI may not take answers from here"),
    ],
)
def test_what_this_opencode_cannot_do_is_said_before_it_is_tried(version: str, url: None, key: str, told: str) -> None:
    connected = ServerConnected(replace(SERVER, opencode=version, url=url))
    view = shown(connected, SnapshotTaken(S), session("waits"), asks("waits"))
    item_ = next(entry for entry in walk(answers(view)) if entry.key == key)
    assert (item_.label, item_.enabled) == (told, False)
    assert "Go there" in labels(answers(view))


def test_on_a_link_that_only_watches_nothing_can_be_answered() -> None:
    view = shown(ServerConnected(replace(SERVER, verified=False)), SnapshotTaken(S), session("waits"), asks("waits"))
    assert offered(answers(view)) == ["go"]
    assert item(view, "waits:per_waits").label.strip().startswith("Cannot be answered here: bash")


def test_while_an_answer_is_sent_there_is_no_other_and_afterwards_its_failure_is_said() -> None:
    key = RequestKey(S, "per_waits")
    sending = shown(session("waits"), asks("waits"), AnswerSent(key))
    assert "(sending…)" in item(sending, "waits:per_waits").label
    assert offered(answers(sending)) == ["go"]
    failed = shown(session("waits"), asks("waits"), AnswerSent(key), AnswerFailed(key, "no answer in 10 s"))
    assert "⚠ no answer in 10 s" in labels(answers(failed))
    assert "Allow once" in labels(answers(failed))


COLOUR = Question("Which colour?", "Colour", (Option("Red", "warm"), Option("Blue")), custom=False)
SIZES = Question("Which sizes?", "Size", (Option("S"), Option("L")), multiple=True)


def question(*questions: Question) -> RequestAsked:
    return RequestAsked(
        S, Request("que_1", "waits", RequestKind.QUESTION, "Colour", questions[0].question, questions=questions)
    )


def test_one_choice_is_answered_with_one_click() -> None:
    view = shown(session("waits"), question(COLOUR))
    choices = answers(view, "waits:que_1")
    assert labels(choices) == ["Which colour?", "Red — warm", "Blue", "Reject", "Go there"]
    red = next(entry for entry in walk(choices) if entry.key == "option-0")
    assert isinstance(red.choice, AnswerRequest)
    assert red.choice.answer == Reply((("Red",),))


def test_several_choices_are_put_together_and_sent_when_none_is_missing() -> None:
    key = RequestKey(S, "que_1")
    asked = (session("waits"), question(COLOUR, SIZES))
    begun = answers(shown(*asked, AnswerDrafted(key, 0, "Red")), "waits:que_1")
    send = next(entry for entry in walk(begun) if entry.key == "send")
    assert (send.label, send.enabled) == ("Send (1 without an answer yet)", False)
    assert [entry.label for entry in walk(begun) if entry.checked] == ["Red — warm"]
    words = next(e for e in walk(begun) if e.key == "words-1").choice
    assert isinstance(words, AskForAnswer)
    assert (words.request, words.question) == (key, 1)
    own = AnswerDrafted(key, 1, "in between")
    ready = answers(shown(*asked, AnswerDrafted(key, 0, "Red"), AnswerDrafted(key, 1, "S"), own), "waits:que_1")
    ready_to_send = next(e for e in walk(ready) if e.key == "send").choice
    assert isinstance(ready_to_send, SendDraftAnswer)
    assert ready_to_send.seen.draft == (("Red",), ("S", "in between"))
    assert [entry.label for entry in walk(ready) if entry.checked] == ["Red — warm", "S", "“in between”"]


def test_the_first_item_goes_to_the_longest_waiting_and_is_the_icons_default() -> None:
    view = shown(
        session("later", title="Later"),
        asks("later", at=AT - 1),
        session("first", title="First"),
        asks("first", at=AT - 9),
    )
    assert labels(view.menu)[0] == "Go to next: First"
    assert default_choice(view.menu) == OpenNextSession()


def test_with_nobody_waiting_the_first_item_says_so_and_a_click_does_nothing() -> None:
    view = shown(*busy("works"))
    assert labels(view.menu)[0] == "Nobody needs you"
    assert default_choice(view.menu) is None


def test_the_icon_and_the_tooltip_say_the_worst_and_how_many() -> None:
    view = shown(
        session("a"), asks("a"), session("b"), asks("b"), *busy("c"), *busy("d"), *busy("e"),
        *(session(f"i{n}") for n in range(5)),
    )  # fmt: skip
    assert (view.icon.status, view.icon.count) == (Status.WAITING_FOR_PERMISSION, 2)
    assert view.tooltip == "2 need you · 3 working · 5 idle"


def test_no_session_at_all_is_a_quiet_icon_and_a_whole_menu() -> None:
    view = shown()
    assert (view.icon.status, view.tooltip) == (Status.IDLE, "No sessions")
    assert item(view, "quit").choice == Quit()


def test_idle_sessions_are_folded() -> None:
    view = shown(*(session(f"i{n}", title=f"Idle {n}") for n in range(3)))
    folded = item(view, "idle")
    assert folded.label == "Idle (3)"
    assert len(folded.children) == 3


@pytest.mark.parametrize("working", [3, 26, 120])
@pytest.mark.parametrize("waiting", [0, 1, 5, 40])
def test_the_menu_fits_on_the_screen_and_every_session_is_in_it(working: int, waiting: int) -> None:
    asking = [event for n in range(waiting) for event in (session(f"w{n:02}", title=f"Wait {n}"), asks(f"w{n:02}"))]
    events = (*asking, *(event for n in range(working) for event in busy(f"b{n}")), session("rests"), *finished("done"))
    view = shown(*events, opened=Opened())
    assert len(view.menu) <= LINES
    inside = {entry.key for entry in view.menu}
    if waiting:
        assert {f"w{n:02}" for n in range(min(waiting, 8))} <= inside
        assert next(entry.key for entry in view.menu if entry.key in ("needs", "working")) == "needs"
    reached = _reached(events)
    assert reached >= {*(f"w{n:02}" for n in range(waiting)), *(f"b{n}" for n in range(working)), "rests", "done"}


def _reached(events: tuple[Event, ...]) -> set[str]:
    """The rows that a person finds who opens every submenu."""
    opened = Opened()
    while True:
        view = shown(*events, opened=opened)
        fills = {entry.fill for entry in walk(view.menu) if entry.fill is not None}
        if fills <= opened.fills:
            return {entry.key for entry in walk(view.menu)}
        opened = Opened(opened.times + 1, opened.fills | fills)


def test_who_needs_the_person_beyond_the_screen_is_one_click_away_with_answers() -> None:
    events = tuple(event for n in range(40) for event in (session(f"w{n:02}"), asks(f"w{n:02}")))
    view = shown(*events, opened=Opened(1, frozenset({("section", "needs", "1")})))
    rest = item(view, "needs-further")
    outside = [entry.key for entry in view.menu if entry.key.startswith("w") and ":" not in entry.key]
    assert rest.label == f"… and {40 - len(outside)} more who need you"
    assert any(entry.key.startswith("w39:") for entry in walk(rest.children)) or len(outside) + 25 < 40


def test_only_projects_of_three_rows_and_more_get_a_heading() -> None:
    many = (
        event
        for n in range(9)
        for event in (
            session(f"b{n}", title=f"b{n}", directory="/home/me/shop" if n < 7 else "/home/me/docs"),
            ActivityReported(S, f"b{n}", Activity.BUSY),
        )
    )
    view = shown(*many)
    assert item(view, "working:shop").label == "shop"
    assert item(view, "b0").label == "b0 · 4m"
    assert item(view, "b8").label == "docs · b8 · 4m"
    assert not any(entry.key == "working:docs" for entry in walk(view.menu))


LONG = "Dark mode for the settings page, the profile and the three dialogs"


def test_a_row_gives_its_columns_to_the_title_first_and_the_rest_to_the_reason() -> None:
    failure = Failure("APIError", "Your credit balance is too low to access this model, please upgrade")
    view = shown(
        session("short", title="Fix it"), SessionFailed(S, "short", failure),
        session("long", title=LONG), SessionFailed(S, "long", failure),
    )  # fmt: skip
    assert item(view, "short").label == "project · Fix it — Your credit balance is too low to access this… · 4m"
    assert item(view, "long").label == "project · Dark mode for the settings page, the profile and the t… · 4m"
    wide = shown(session("long", title=LONG), look=ViewSettings(columns=110))
    assert item(wide, "long").label.startswith(f"project · {LONG}")


def test_an_age_is_said_from_a_minute_on() -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *busy("a")):
        index.update(fleet.apply(event, AT))
    assert item(ViewBuilder(fleet, index).view(ViewSettings(), AT + 59_000), "a").label == "project · a"
    assert item(ViewBuilder(fleet, index).view(ViewSettings(), AT + 61_000), "a").label == "project · a · 1m"


def test_projects_of_the_same_name_are_told_apart() -> None:
    view = shown(
        session("one", title="Fix the build", directory="/w/project-a/main"),
        session("two", title="Fix the build", directory="/w/project-b/main"),
        ActivityReported(S, "one", Activity.BUSY), ActivityReported(S, "two", Activity.BUSY),
    )  # fmt: skip
    assert item(view, "one").label == "project-a/main · Fix the build · 4m"
    assert item(view, "two").label == "project-b/main · Fix the build · 4m"


def test_all_sessions_are_by_project_and_title_whatever_their_state() -> None:
    events = (
        session("z", title="zebra", directory="/p/one"), session("a", title="Ant", directory="/p/one"),
        session("m", title="mole", directory="/p/two"), ActivityReported(S, "z", Activity.BUSY),
    )  # fmt: skip
    everything = item(shown(*events), "all").children
    assert labels(everything) == ["one (2)", "two (1)"]
    assert [entry.key for entry in everything[0].children] == ["a", "z"]
    assert everything[0].mark is Status.BUSY


def test_a_closed_submenu_is_not_made() -> None:
    closed = shown(*busy("a"), opened=Opened())
    assert item(closed, "all").children == ()
    assert item(closed, "all").fill == ("all", "0")
    opened = shown(*busy("a"), opened=Opened(1, frozenset({("all", "0"), ("session", "a")})))
    assert labels(item(opened, "all").children) == ["a · 4m"]
    (row,) = item(opened, "all").children
    assert labels(row.children)[0] == "a"
    assert item(opened, "servers").children == ()


def test_a_newcomer_is_told_the_next_step_first() -> None:
    def first(*events: Event, **setup: bool) -> Item:
        fleet = Fleet()
        index = SessionIndex(fleet)
        for event in events:
            index.update(fleet.apply(event, AT))
        entry = ViewBuilder(fleet, index).view(ViewSettings(setup=Setup(**setup)), AT).menu[0]
        assert isinstance(entry, Item)
        return entry

    assert first(plugin_installed=False).choice == InstallPlugin()
    assert first(plugin_installed=True, opencode_found=False).label.startswith(
        "No sessions yet. OpenCode was not found"
    )
    assert first(plugin_installed=True, opencode_found=True).label == "No sessions yet. Start opencode in a terminal"
    old = ServerConnected(replace(SERVER, source=Source.LOCAL))
    outside = first(old, SnapshotTaken(S), plugin_installed=True)  # whether it has loaded the plugin is not known here
    assert (outside.label, outside.choice) == ("1 OpenCode cannot be answered from here. Doctor says why", RunDoctor())
    assert first(ServerConnected(SERVER), SnapshotTaken(S), *busy("a"), plugin_installed=True).key == "next"


def test_the_icon_is_the_same_picture_from_ten_waiting_sessions_on() -> None:
    def icon(count: int) -> IconView:
        return shown(*(event for n in range(count) for event in (session(f"w{n}"), asks(f"w{n}")))).icon

    assert icon(10) == icon(11)
    assert icon(9) != icon(10)


def test_every_key_is_unique_among_its_siblings_and_none_is_a_position() -> None:
    def check(entries: tuple[Entry, ...]) -> None:
        keys = [entry.key for entry in entries]
        assert len(keys) == len(set(keys))
        for entry in entries:
            if isinstance(entry, Item):
                check(entry.children)

    check(shown(*(event for n in range(40) for event in (*busy(f"b{n}"), session(f"w{n}"), asks(f"w{n}")))).menu)
    before = item(shown(*busy("one"), *busy("two")), "two")
    after = item(shown(*busy("two")), "two")
    assert before.key == after.key


@pytest.mark.parametrize("title", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_titles_are_short_safe_text_everywhere(title: str) -> None:
    view = shown(
        session("a", title=title, directory=f"/srv/{title[:200]}", agent=title, model=title),
        asks("a", title),
        session("b", title=title),
        SessionFailed(S, "b", Failure("APIError", title)),
        SessionReported(S, SessionFacts("c", title=title)),
    )
    for found in walk(view.menu):
        assert width(found.label.strip("\u2068\u2069")) <= 110, found.label
        assert found.label.isprintable() or {c for c in found.label if not c.isprintable()} <= set(
            "\u2068\u2069\u200d\u200c"
        )
        assert "\n" not in found.label
    assert "\n" not in view.tooltip


def test_a_lost_server_greys_its_sessions_with_their_age() -> None:
    view = shown(*busy("a"), ServerLost(S))
    assert (item(view, "a").mark, item(view, "a").label) == (Status.DISCONNECTED, "project · a · 4m")
    assert (view.icon.status, view.tooltip) == (Status.DISCONNECTED, "1 disconnected")


def test_a_watch_only_session_is_marked() -> None:
    watched = Server("seed", "old", "host", "/home/dev/old", verified=False)
    view = shown(ServerConnected(watched), SnapshotTaken("seed", sessions=(SessionFacts("a", title="Old"),)))
    assert "(watch only)" in item(view, "a").label
    assert "watch only" in item(view, "seed").label


def test_a_sessions_submenu_tells_its_details() -> None:
    tokens = Tokens(input=3000, output=1000)
    done = Message("msg_1", finish="stop", model="fake/fake-1", agent="build", tokens=tokens, cost=0.25)
    view = shown(
        SnapshotTaken(S, limits={"fake/fake-1": 8000}),
        session("a", title="Work"),
        ActivityReported(S, "a", Activity.BUSY),
        MessageReported(S, "a", done),
    )
    detail = [entry.label for entry in item_in(view, "all", "a").children if isinstance(entry, Item)]
    assert "build · fake/fake-1" in detail
    assert "Context: 50 %" in detail
    assert "4k tokens · $0.25" in detail


def item_in(view: TrayView, *path: str) -> Item:
    entries = view.menu
    for key in path:
        found = next(entry for entry in entries if isinstance(entry, Item) and entry.key == key)
        entries = found.children
    return found


def test_news_can_be_dismissed() -> None:
    view = shown(*finished("a"))
    assert item_in(view, "all", "a", "dismiss").choice == DismissSession(SessionKey(S, "a"))


def test_a_mute_shows_its_end_and_can_be_lifted() -> None:
    view = shown(session("a"), MuteSet("", AT + 3600_000), MuteSet("session:a", FOREVER))
    assert item_in(view, "mute").label.startswith("Notifications muted until")
    assert item_in(view, "mute", "unmute").choice == Unmute("")
    assert item_in(view, "all", "a", "mute").label == "This session muted"
    assert isinstance(item_in(view, "mute", "half_hour").choice, Mute)


def test_a_problem_shows_in_the_menu() -> None:
    view = shown(look=ViewSettings(problems=("settings.toml: icon.style = 'x' is not allowed",)))
    assert any(label.startswith("⚠ settings.toml") for label in labels(view.menu))


def test_the_same_facts_give_an_equal_view() -> None:
    events = (*busy("a"), session("w"), asks("w"))
    assert shown(*events) == shown(*events)


@settings(max_examples=150, deadline=None)
@given(stories)
def test_what_is_taken_over_from_the_last_view_is_still_true(story: list[tuple[Event, int]]) -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    views = ViewBuilder(fleet, index)
    now = 0
    for event, later in story:
        now += later
        index.update(fleet.apply(event, now))
        assert views.view(ViewSettings(), now, WHOLE) == ViewBuilder(fleet, index).view(ViewSettings(), now, WHOLE)


def test_what_cannot_be_undone_asks_again_and_names_what_goes() -> None:
    view = shown(*busy("works"), session("below", parent="works"))
    stop, delete = item(view, "stop"), item(view, "delete")
    assert (stop.choice, delete.choice) == (None, None)
    assert [(e.label, e.choice) for e in walk(stop.children)] == [
        ("Yes, stop “works”", StopTurn(SessionKey(S, "works")))
    ]
    told = "Yes, delete “works” and 1 subagent session for good"
    assert [(e.label, e.choice) for e in walk(delete.children)] == [(told, DeleteSession(SessionKey(S, "works")))]


def test_a_server_that_is_away_or_not_trusted_is_asked_for_nothing() -> None:
    for events in (
        (*busy("works"), ServerLost(S)),
        (ServerConnected(replace(SERVER, verified=False)), SnapshotTaken(S), *busy("works")),
    ):
        deeds = {entry.key for entry in walk(shown(*events).menu)}
        assert not deeds & {"stop", "delete", "fork", "rename", "prompt", "archive"}
