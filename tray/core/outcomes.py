"""How requests were answered, and where: for the copies of them that are shown away from the tray. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tray.core.answers import ANSWERED, SENDING, RequestKey, Verdict
from tray.core.commands import Surface
from tray.core.events import Event, RequestClosed

MAX_KEPT = 256  # requests; a new one replaces the oldest
UNKNOWN = "No longer waiting"
_VERDICTS = {
    Verdict.ONCE.value: "Allowed once",
    Verdict.ALWAYS.value: "Allowed always",
    Verdict.REJECT.value: "Rejected",
}
_PLACES = {
    Surface.MENU.value: "in the menu",
    Surface.NOTIFICATION.value: "in the notification",
    Surface.COMMAND.value: "on the command line",
    Surface.PAGE.value: "on the page",
}


class Outcomes:
    """Takes the answers that were sent from here, and the events that close requests."""

    def __init__(self) -> None:
        self._sent: dict[str, Mapping[str, Any]] = {}  # entries of the audit log by request ID
        self._verdicts: dict[RequestKey, str] = {}

    def on_answer(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of the audit log. An answer that failed is forgotten."""
        self._sent.pop(entry["request"], None)
        if entry["result"] in (SENDING, ANSWERED):
            self._sent[entry["request"]] = entry
            _drop_oldest(self._sent)

    def on_event(self, event: Event) -> None:
        """Take an event that the fleet has applied."""
        if isinstance(event, RequestClosed) and event.verdict:
            self._verdicts[RequestKey(event.server_id, event.request_id)] = event.verdict
            _drop_oldest(self._verdicts)

    def text(self, key: RequestKey) -> str:
        """Return how a request that is closed was answered, such as "Allowed once in the menu"."""
        verdict, sent = self._verdicts.get(key, ""), self._sent.get(key.request)
        if sent is not None and (not verdict or sent.get("verdict", verdict) == verdict):
            device = sent.get("device", "")
            return f"{sent['answer']} {f'by {device}' if device else _PLACES.get(sent['surface'], '')}".strip()
        return f"{_VERDICTS[verdict]} elsewhere" if verdict in _VERDICTS else UNKNOWN


def _drop_oldest(kept: dict[Any, Any]) -> None:
    if len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]
