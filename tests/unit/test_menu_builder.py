"""The menu as a value: order of the sections, rows that fit the screen, stable keys, safe text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from event_strategies import event_sequences
from replay import SERVER
from tray.core.agent_setup import AgentSetup, HookState, HookUse
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.commands import (
    FOREVER,
    AnswerRequest,
    AskForAnswer,
    CloseWays,
    CopyText,
    DeleteSession,
    DismissSession,
    InstallPlugin,
    Mute,
    OpenNextSession,
    OpenReleases,
    OpenSession,
    Quit,
    RunDoctor,
    SendDraftAnswer,
    ShowAbout,
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
from tray.core.messages import Message, Tokens
from tray.core.pairing import PendingPairing
from tray.core.phone_ways import Exposure, PhoneWays, Way
from tray.core.servers import AgentKind, Server, Source
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Failure, Option, Question, Request, RequestKind, SessionKey, Status
from tray.core.text import GOES_ON, width
from tray.surfaces.menu.builder import Setup, ViewBuilder, ViewSettings
from tray.surfaces.menu.items import Entry, Item, OpenSubmenus, default_command, walk
from tray.surfaces.menu.view import IconView, TrayView
from tray.system.display import menu_lines

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


ALL_OPEN = OpenSubmenus(all_open=True)


def shown(
    *events: Event, view_settings: ViewSettings | None = None, open_submenus: OpenSubmenus = ALL_OPEN
) -> TrayView:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
        index.update(fleet.apply(event, AT))
    return ViewBuilder(fleet, index).build(view_settings or ViewSettings(), AT + 4 * 60_000, open_submenus)


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


def test_an_exposed_page_is_the_first_line_of_each_menu_and_of_the_tooltip() -> None:
    exposure = Exposure("https://quiet-river.trycloudflare.com", AT, "22:15")
    ways = ViewSettings(phone=PhoneWays(exposure), pairings=(PendingPairing("1", "Phone", "0042", "192.168.0.7"),))
    for events in ((), (session("waits"), asks("waits"))):
        view = shown(*events, view_settings=ways)
        first = view.menu[0]
        assert isinstance(first, Item)
        assert first.label == "Exposed: https://quiet-river.trycloudflare.com until 22:15"
        stop, copy = first.children
        assert isinstance(stop, Item)
        assert (stop.label, stop.command) == ("Stop", CloseWays(Way.TUNNEL))
        assert isinstance(copy, Item)
        assert copy.command == CopyText(exposure.url)
        assert view.tooltip.startswith("Exposed to the internet until 22:15 · ")
        assert view.icon.exposed
        assert labels(view.menu)[1] == "Pair Phone, which shows 0042?"
    assert not shown().icon.exposed
    assert "Exposed" not in shown().tooltip + labels(shown().menu)[0]


def test_the_sections_come_in_the_order_of_urgency() -> None:
    view = shown(
        session("rests"), *finished("done"), *busy("works"), session("fails"), SessionFailed(S, "fails", Failure("X")),
        session("waits"), asks("waits"),
    )  # fmt: skip
    top = [entry.key for entry in view.menu if isinstance(entry, Item)]
    sections = [key for key in top if key in ("needs", "working", "finished", "idle", "disconnected")]
    assert sections == ["needs", "working", "finished", "idle"]
    assert top.index("waits") < top.index("fails") < top.index("works") < top.index("done")


def test_a_row_shows_mark_project_title_reason_and_age_and_opens_the_session() -> None:
    view = shown(session("waits", title="Fix the parser"), asks("waits"))
    row = item(view, "waits")
    assert (row.mark, row.label) == (Status.WAITING_FOR_PERMISSION, "project · Fix the parser · 4m")
    assert item(view, "waits:per_waits").label.strip() == "Answer: bash: rm -rf build"
    assert row.command == OpenSession(SessionKey(S, "waits"))
    assert row.children == ()


def offered(entries: tuple[Entry, ...]) -> list[str]:
    """Return the keys of the items that a click does more with than copying their text."""
    return [e.key for e in walk(entries) if e.enabled and not isinstance(e.command, CopyText)]


def answers(view: TrayView, request: str = "waits:per_waits") -> tuple[Entry, ...]:
    return item(view, request).children


def test_a_requests_full_text_is_shown_above_its_answers() -> None:
    command = "git push --force-with-lease origin main && " + "echo pushed " * 12
    view = shown(session("waits"), asks("waits", command))
    lines = [entry.label for entry in answers(view) if isinstance(entry, Item) and entry.key.startswith("line")]
    assert lines[0] == "bash:"
    assert all(line.startswith(GOES_ON) for line in lines[2:])
    assert "".join(line.removeprefix(GOES_ON) for line in lines[1:]) == command.strip()
    assert labels(answers(view))[len(lines) :] == ["Allow once", "Reject", "Reject with a message…", "Open session"]


def test_every_request_has_its_own_answers() -> None:
    second = RequestAsked(S, Request("per_2", "waits", RequestKind.PERMISSION, "bash", "pwd", asked_at=AT))
    two = shown(session("waits"), asks("waits", "ls"), second)
    assert [entry.key for entry in two.menu if entry.key.startswith("waits:")] == ["waits:per_waits", "waits:per_2"]
    for request in ("per_waits", "per_2"):
        once = next(e for e in walk(answers(two, f"waits:{request}")) if e.key == "once")
        assert isinstance(once.command, AnswerRequest)
        assert once.command.request == RequestKey(S, request)


def test_always_allow_shows_the_patterns_and_has_to_be_confirmed() -> None:
    request = Request("per_waits", "waits", RequestKind.PERMISSION, "bash", "git push", always=("git push *", "git *"))
    view = shown(session("waits"), RequestAsked(S, request))
    always = item(view, "always")
    assert always.command is None
    assert labels(always.children) == ["git push *", "git *", "Confirm: always allow"]
    confirm = item(view, "confirm")
    assert confirm.command == AnswerRequest(
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
def test_a_request_that_is_not_shown_in_full_can_be_rejected_but_not_allowed(hidden: dict[str, Any]) -> None:
    request = Request("per_waits", "waits", RequestKind.PERMISSION, "bash", always=("ls *",), **hidden)
    view = shown(session("waits"), RequestAsked(S, request))
    assert offered(answers(view)) == ["reject", "reject-with-message", "attach"]


@pytest.mark.parametrize(
    ("version", "url", "key", "label"),
    [
        ("1.0.185", None, "reject-with-message", "OpenCode 1.0.185 does not support rejection messages"),
        ("1.14.41", None, "unreliable", "OpenCode 1.14.41: its terminal UI may ignore answers sent here"),
    ],
)
def test_an_answer_that_this_opencode_does_not_support_is_announced(
    version: str, url: None, key: str, label: str
) -> None:
    connected = ServerConnected(replace(SERVER, version=version, url=url))
    view = shown(connected, SnapshotTaken(S), session("waits"), asks("waits"))
    item_ = next(entry for entry in walk(answers(view)) if entry.key == key)
    assert (item_.label, item_.enabled) == (label, False)
    assert "Open session" in labels(answers(view))


def test_a_request_of_an_unverified_server_cannot_be_answered() -> None:
    view = shown(ServerConnected(replace(SERVER, verified=False)), SnapshotTaken(S), session("waits"), asks("waits"))
    assert offered(answers(view)) == ["attach"]
    assert item(view, "waits:per_waits").label.strip().startswith("Read-only: bash")


def test_a_request_has_no_answers_while_one_is_sent_and_shows_its_failure() -> None:
    key = RequestKey(S, "per_waits")
    sending = shown(session("waits"), asks("waits"), AnswerSent(key))
    assert "(sending…)" in item(sending, "waits:per_waits").label
    assert offered(answers(sending)) == ["attach"]
    failed = shown(session("waits"), asks("waits"), AnswerSent(key), AnswerFailed(key, "no answer in 10 s"))
    assert "⚠ no answer in 10 s" in labels(answers(failed))
    assert "Allow once" in labels(answers(failed))


COLOUR = Question("Which colour?", "Colour", (Option("Red", "warm"), Option("Blue")), custom=False)
SIZES = Question("Which sizes?", "Size", (Option("S"), Option("L")), multiple=True)


def question(*questions: Question) -> RequestAsked:
    return RequestAsked(
        S, Request("que_1", "waits", RequestKind.QUESTION, "Colour", questions[0].question, questions=questions)
    )


def test_a_single_choice_question_is_answered_with_one_click() -> None:
    view = shown(session("waits"), question(COLOUR))
    choices = answers(view, "waits:que_1")
    assert labels(choices) == ["Which colour?", "Red — warm", "Blue", "Reject", "Open session"]
    red = next(entry for entry in walk(choices) if entry.key == "option-0")
    assert isinstance(red.command, AnswerRequest)
    assert red.command.answer == Reply((("Red",),))


def test_several_answers_are_collected_and_sent_when_complete() -> None:
    key = RequestKey(S, "que_1")
    asked = (session("waits"), question(COLOUR, SIZES))
    begun = answers(shown(*asked, AnswerDrafted(key, 0, "Red")), "waits:que_1")
    send = next(entry for entry in walk(begun) if entry.key == "send")
    assert (send.label, send.enabled) == ("Send (1 unanswered)", False)
    assert [entry.label for entry in walk(begun) if entry.checked] == ["Red — warm"]
    words = next(e for e in walk(begun) if e.key == "own-answer-1").command
    assert isinstance(words, AskForAnswer)
    assert (words.request, words.question) == (key, 1)
    own = AnswerDrafted(key, 1, "in between")
    ready = answers(shown(*asked, AnswerDrafted(key, 0, "Red"), AnswerDrafted(key, 1, "S"), own), "waits:que_1")
    ready_to_send = next(e for e in walk(ready) if e.key == "send").command
    assert isinstance(ready_to_send, SendDraftAnswer)
    assert ready_to_send.seen.draft == (("Red",), ("S", "in between"))
    assert [entry.label for entry in walk(ready) if entry.checked] == ["Red — warm", "S", "“in between”"]


def test_the_first_item_opens_the_longest_waiting_session_and_is_the_default() -> None:
    view = shown(
        session("later", title="Later"),
        asks("later", at=AT - 1),
        session("first", title="First"),
        asks("first", at=AT - 9),
    )
    assert labels(view.menu)[0] == "Go to next: First"
    assert default_command(view.menu) == OpenNextSession()


def test_if_no_session_waits_the_first_item_says_so_and_is_disabled() -> None:
    view = shown(*busy("works"))
    assert labels(view.menu)[0] == "No session needs you"
    assert default_command(view.menu) is None


def test_icon_and_tooltip_show_the_worst_state_and_the_counts() -> None:
    view = shown(
        session("a"), asks("a"), session("b"), asks("b"), *busy("c"), *busy("d"), *busy("e"),
        *(session(f"i{n}") for n in range(5)),
    )  # fmt: skip
    assert (view.icon.status, view.icon.count) == (Status.WAITING_FOR_PERMISSION, 2)
    assert view.tooltip == "2 need you · 3 working · 5 idle"


def test_without_sessions_the_icon_is_idle_and_the_menu_complete() -> None:
    view = shown()
    assert (view.icon.status, view.tooltip) == (Status.IDLE, "No sessions")
    assert item(view, "quit").command == Quit()


def test_idle_sessions_are_in_a_submenu() -> None:
    view = shown(*(session(f"i{n}", title=f"Idle {n}") for n in range(3)))
    idle = item(view, "idle")
    assert idle.label == "Idle (3)"
    assert len(idle.children) == 3


@pytest.mark.parametrize("desktop", ["XFCE", "ubuntu:GNOME"])
@pytest.mark.parametrize("working", [3, 26, 120])
@pytest.mark.parametrize("waiting", [0, 1, 5, 40])
def test_the_menu_fits_on_the_screen_and_contains_every_session(
    working: int, waiting: int, desktop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", desktop)
    lines = menu_lines()
    asking = [event for n in range(waiting) for event in (session(f"w{n:02}", title=f"Wait {n}"), asks(f"w{n:02}"))]
    events = (*asking, *(event for n in range(working) for event in busy(f"b{n}")), session("rests"), *finished("done"))
    view = shown(*events, open_submenus=OpenSubmenus(), view_settings=ViewSettings(lines=lines))
    assert lines * (36 if "GNOME" in desktop else 30) <= (736 if "GNOME" in desktop else 900), "px, without GNOME's bar"
    assert len(view.menu) <= lines
    inside = {entry.key for entry in view.menu}
    if waiting:
        assert {f"w{n:02}" for n in range(min(waiting, 3 if "GNOME" in desktop else 8))} <= inside
        assert next(entry.key for entry in view.menu if entry.key in ("needs", "working")) == "needs"
    reached = _reached(events)
    assert reached >= {*(f"w{n:02}" for n in range(waiting)), *(f"b{n}" for n in range(working)), "rests", "done"}


def _reached(events: tuple[Event, ...]) -> set[str]:
    """Return the keys of all rows, with every submenu opened."""
    opened = OpenSubmenus()
    while True:
        view = shown(*events, open_submenus=opened)
        ids = {entry.submenu_id for entry in walk(view.menu) if entry.submenu_id is not None}
        if ids <= opened.ids:
            return {entry.key for entry in walk(view.menu)}
        opened = OpenSubmenus(opened.openings + 1, opened.ids | ids)


def test_waiting_sessions_beyond_the_screen_are_in_a_submenu_with_their_answers() -> None:
    events = tuple(event for n in range(40) for event in (session(f"w{n:02}"), asks(f"w{n:02}")))
    view = shown(*events, open_submenus=OpenSubmenus(1, frozenset({("section", "needs", "1")})))
    rest = item(view, "needs-next-page")
    outside = [entry.key for entry in view.menu if entry.key.startswith("w") and ":" not in entry.key]
    assert rest.label == f"… and {40 - len(outside)} more waiting for you"
    inside = [entry.key for entry in rest.children if entry.key.startswith("w")]
    first = f"w{len(outside):02}"
    assert inside[:2] == [first, f"{first}:per_{first}"]
    assert _reached(events) >= {f"w{n:02}:per_w{n:02}" for n in range(40)}


def test_only_projects_with_three_or_more_rows_get_a_heading() -> None:
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


def test_a_rows_title_takes_precedence_over_its_reason() -> None:
    failure = Failure("APIError", "Your credit balance is too low to access this model, please upgrade")
    view = shown(
        session("short", title="Fix it"), SessionFailed(S, "short", failure),
        session("long", title=LONG), SessionFailed(S, "long", failure),
    )  # fmt: skip
    assert item(view, "short").label == "project · Fix it — Your credit balance is too low to access this… · 4m"
    assert item(view, "long").label == "project · Dark mode for the settings page, the profile and the t… · 4m"
    wide = shown(session("long", title=LONG), view_settings=ViewSettings(columns=110))
    assert item(wide, "long").label.startswith(f"project · {LONG}")


def test_an_age_is_shown_from_one_minute_on() -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *busy("a")):
        index.update(fleet.apply(event, AT))
    assert item(ViewBuilder(fleet, index).build(ViewSettings(), AT + 59_000), "a").label == "project · a"
    assert item(ViewBuilder(fleet, index).build(ViewSettings(), AT + 61_000), "a").label == "project · a · 1m"


def test_projects_of_the_same_name_are_distinguishable() -> None:
    view = shown(
        session("one", title="Fix the build", directory="/w/project-a/main"),
        session("two", title="Fix the build", directory="/w/project-b/main"),
        ActivityReported(S, "one", Activity.BUSY), ActivityReported(S, "two", Activity.BUSY),
    )  # fmt: skip
    assert item(view, "one").label == "project-a/main · Fix the build · 4m"
    assert item(view, "two").label == "project-b/main · Fix the build · 4m"


def test_all_sessions_are_sorted_by_project_and_title_whatever_their_state() -> None:
    events = (
        session("z", title="zebra", directory="/p/one"), session("a", title="Ant", directory="/p/one"),
        session("m", title="mole", directory="/p/two"), ActivityReported(S, "z", Activity.BUSY),
    )  # fmt: skip
    all_sessions = item(shown(*events), "all").children
    assert labels(all_sessions) == ["one (2)", "two (1)"]
    assert [entry.key for entry in all_sessions[0].children] == ["a", "z"]
    assert all_sessions[0].mark is Status.BUSY


def test_a_closed_submenu_is_not_built() -> None:
    closed = shown(*busy("a"), open_submenus=OpenSubmenus())
    assert item(closed, "all").children == ()
    assert item(closed, "all").submenu_id == ("all", "0")
    opened = shown(*busy("a"), open_submenus=OpenSubmenus(1, frozenset({("all", "0"), ("session", "a")})))
    assert labels(item(opened, "all").children) == ["a · 4m"]
    (row,) = item(opened, "all").children
    assert labels(row.children)[0] == "a"
    assert item(opened, "servers").children == ()


def test_the_next_step_of_the_setup_is_the_first_item() -> None:
    def first(*events: Event, **setup: Any) -> Item:
        fleet = Fleet()
        index = SessionIndex(fleet)
        for event in events:
            index.update(fleet.apply(event, AT))
        entry = ViewBuilder(fleet, index).build(ViewSettings(setup=Setup(**setup)), AT).menu[0]
        assert isinstance(entry, Item)
        return entry

    assert first(plugin_installed=False).command == InstallPlugin()
    assert first(plugin_installed=True, opencode_found=False).label.startswith("No sessions yet: OpenCode not found")
    claude = (AgentSetup(AgentKind.CLAUDE, HookState.MISSING, HookUse.ANSWERS, "/settings.json"),)
    others = first(plugin_installed=False, opencode_found=False, agents=claude)
    assert others.label == "No sessions yet: start an agent in a terminal"
    assert first(plugin_installed=True, opencode_found=True).label == "No sessions yet: start opencode in a terminal"
    old = ServerConnected(replace(SERVER, source=Source.LOCAL))
    outside = first(old, SnapshotTaken(S), plugin_installed=True)  # installed, but not loaded
    assert (outside.label, outside.command) == ("1 read-only OpenCode server: run Doctor…", RunDoctor())
    assert first(ServerConnected(SERVER), SnapshotTaken(S), *busy("a"), plugin_installed=True).key == "next"


def test_the_icon_is_the_same_from_ten_waiting_sessions_on() -> None:
    def icon(count: int) -> IconView:
        return shown(*(event for n in range(count) for event in (session(f"w{n}"), asks(f"w{n}")))).icon

    assert icon(10) == icon(11)
    assert icon(9) != icon(10)


def test_every_key_is_unique_among_its_siblings_and_independent_of_position() -> None:
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
def test_hostile_titles_are_shown_as_short_safe_text(title: str) -> None:
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


def test_sessions_of_a_disconnected_server_are_grey_with_their_age() -> None:
    view = shown(*busy("a"), ServerLost(S))
    assert (item(view, "a").mark, item(view, "a").label) == (Status.DISCONNECTED, "project · a · 4m")
    assert (view.icon.status, view.tooltip) == (Status.DISCONNECTED, "1 disconnected")


def test_a_read_only_session_is_marked() -> None:
    watched = Server("seed", "old", "host", "/home/dev/old", verified=False)
    view = shown(ServerConnected(watched), SnapshotTaken("seed", sessions=(SessionFacts("a", title="Old"),)))
    assert "(read-only)" in item(view, "a").label
    assert "read-only" in item(view, "seed").label


def test_a_sessions_submenu_shows_its_details() -> None:
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


def test_a_finished_session_can_be_dismissed() -> None:
    view = shown(*finished("a"))
    assert item_in(view, "all", "a", "dismiss").command == DismissSession(SessionKey(S, "a"))


def test_a_mute_shows_its_end_and_can_be_undone() -> None:
    view = shown(session("a"), MuteSet("", AT + 3600_000), MuteSet("session:a", FOREVER))
    assert item_in(view, "mute").label.startswith("Notifications muted until")
    assert item_in(view, "mute", "unmute").command == Unmute("")
    assert item_in(view, "all", "a", "mute").label == "This session muted"
    assert isinstance(item_in(view, "mute", "half_hour").command, Mute)


def test_a_problem_is_shown_in_the_menu() -> None:
    view = shown(view_settings=ViewSettings(problems=("settings.toml: icon.style = 'x' is not allowed",)))
    assert any(label.startswith("⚠ settings.toml") for label in labels(view.menu))


def test_the_menu_says_what_it_is_or_which_newer_version_there_is() -> None:
    about = item_in(shown(), "about")
    assert (about.label, about.command) == ("About OpenCode Tray", ShowAbout())
    newer = item_in(shown(view_settings=ViewSettings(newer_version="1.2")), "about")
    assert (newer.label, newer.command) == ("Version 1.2 is available…", OpenReleases())


def test_the_same_events_give_an_equal_view() -> None:
    events = (*busy("a"), session("w"), asks("w"))
    assert shown(*events) == shown(*events)


@settings(max_examples=150, deadline=None)
@given(event_sequences)
def test_cached_entries_equal_newly_built_ones(events: list[tuple[Event, int]]) -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    views = ViewBuilder(fleet, index)
    now = 0
    for event, later in events:
        now += later
        index.update(fleet.apply(event, now))
        assert views.build(ViewSettings(), now, ALL_OPEN) == ViewBuilder(fleet, index).build(
            ViewSettings(), now, ALL_OPEN
        )


def test_stop_and_delete_have_to_be_confirmed_and_name_the_sessions() -> None:
    view = shown(*busy("works"), session("below", parent="works"))
    stop, delete = item(view, "stop"), item(view, "delete")
    assert (stop.command, delete.command) == (None, None)
    assert [(e.label, e.command) for e in walk(stop.children)] == [
        ("Confirm: stop the current turn of “works”", StopTurn(SessionKey(S, "works")))
    ]
    label = "Confirm: permanently delete “works” and 1 subagent session"
    assert [(e.label, e.command) for e in walk(delete.children)] == [(label, DeleteSession(SessionKey(S, "works")))]


def test_a_disconnected_or_unverified_server_has_no_actions() -> None:
    for events in (
        (*busy("works"), ServerLost(S)),
        (ServerConnected(replace(SERVER, verified=False)), SnapshotTaken(S), *busy("works")),
    ):
        keys = {entry.key for entry in walk(shown(*events).menu)}
        assert not keys & {"stop", "delete", "fork", "rename", "prompt", "archive"}
