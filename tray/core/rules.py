"""The rules of the fleet and of the alerts, from the settings."""

from __future__ import annotations

from tray.core.alerts import AlertRules, Reason, WhenLooking
from tray.core.fleet import FleetRules
from tray.core.settings import (
    FINISHED_AFTER,
    FINISHED_FOR,
    NOTIFY,
    ON_ERROR,
    ON_FINISHED,
    ON_PERMISSION,
    ON_QUESTION,
    WHEN_LOOKING,
    Settings,
)


def fleet_rules(settings: Settings) -> FleetRules:
    """Return the rules of the fleet."""
    return FleetRules(completed_for=settings[FINISHED_FOR] * 60_000)


def alert_rules(settings: Settings) -> AlertRules:
    """Return the rules of the alerts."""
    wanted = {
        Reason.PERMISSION: settings[ON_PERMISSION],
        Reason.QUESTION: settings[ON_QUESTION],
        Reason.ERROR: settings[ON_ERROR],
        Reason.FINISHED: settings[ON_FINISHED],
    }
    reasons = frozenset(reason for reason, on in wanted.items() if on and settings[NOTIFY])
    return AlertRules(
        reasons=reasons,
        finished_after=settings[FINISHED_AFTER] * 1000,
        when_looking=WhenLooking(settings[WHEN_LOOKING]),
    )
