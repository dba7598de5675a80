"""Errors of the server commands."""

from __future__ import annotations

from tray.core.errors import UserError


class ServeError(UserError):
    """A server cannot be started or used; the message says why and what to do."""


class PortTakenError(Exception):
    """Another program listens on the port."""
