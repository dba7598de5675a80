"""The file of the channels: what each has to know after a restart, readable only by the owner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tray.core.lenient_json import JSON_ERRORS
from tray.files.writing import NotPrivateError, read_privately, set_aside_unreadable


class ChannelRecord(msgspec.Struct):
    """What is kept of one channel."""

    kind: str
    values: dict[str, str] = {}  # of its kind, such as whom it talks to
    sent: dict[str, Any] = {}  # the messages that have not ended, by session ID


def read_channels(path: Path) -> tuple[dict[str, ChannelRecord], str]:
    """Return the records by the names of the channels and "", or no records and the problem."""
    try:
        return msgspec.json.decode(read_privately(path), type=dict[str, ChannelRecord]), ""
    except FileNotFoundError:
        return {}, ""
    except NotPrivateError:
        return {}, f"other users can read {path}; channels that were paired have to be paired again"
    except (OSError, *JSON_ERRORS) as error:
        return {}, f"{set_aside_unreadable(path, error)}; channels that were paired have to be paired again"


def encode_channels(records: Mapping[str, ChannelRecord]) -> str:
    """Return the content of the file."""
    kept = {name: record for name, record in records.items() if record.values or record.sent}
    return msgspec.json.format(msgspec.json.encode(kept)).decode() + "\n"
