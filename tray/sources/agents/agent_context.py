"""What the sources of all agents are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tray.core.events import SourceEvent


class AgentContext(NamedTuple):
    """The connections of a source to the rest of the program, and where it looks for the files of agents."""

    report: Callable[[SourceEvent], None]  # takes each event, on the event loop's thread
    now: Callable[[], int]  # returns ms since the Unix epoch
    environment: Mapping[str, str]
    home: Path  # the home folder of the user
    is_enabled: Callable[[], bool]  # returns whether to look for agents on this machine
