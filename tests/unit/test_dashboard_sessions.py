"""The details that are kept of the sessions that opencode-dashboard's plugin reports."""

from __future__ import annotations

from tray.core.events import RequestAsked, RequestClosed, SourceEvent
from tray.sources.plugin.opencode_dashboard import MAX_SESSIONS, Dashboard, Post


def post(kind: str, session_id: str, event_type: str = "") -> Post:
    return Post(kind, session_id, event_type=event_type, instance="/work", hostname="far", summary="bash", timestamp=1)


def test_the_session_without_a_post_for_the_longest_time_is_forgotten_with_its_requests() -> None:
    events: list[SourceEvent] = []
    dashboard = Dashboard(events.append, lambda: 0)
    for session_id in ("active", "silent"):
        dashboard.take(post("timeline", session_id, "permission"))
    asked = {event.request.session: event.request.id for event in events if isinstance(event, RequestAsked)}
    assert asked.keys() == {"active", "silent"}
    for number in range(MAX_SESSIONS - 1):
        dashboard.take(post("session.created", f"new-{number}"))
        dashboard.take(post("session.updated", "active"))
    assert [event.request_id for event in events if isinstance(event, RequestClosed)] == [asked["silent"]]
