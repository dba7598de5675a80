"""The setting `[[channels]]`."""

from __future__ import annotations

from typing import Any

import pytest

from tray.core.channel_settings import REASONS, ChannelSettings, Detail, parse_channels, shown
from tray.core.settings import CHANNELS, SettingError, parse_settings


def test_a_channel_needs_only_its_kind() -> None:
    assert parse_channels([{"kind": "ntfy", "topic": "t", "delay": 0}]) == (
        ChannelSettings("ntfy", "ntfy", REASONS, (), "", 0, Detail.TITLE, (("topic", "t"),)),
    )


def test_all_fields_are_read() -> None:
    table = {
        "kind": "telegram", "name": "phone", "reasons": ["permission"], "projects": ["/work"],
        "quiet_hours": "22:00-07:00", "delay": 60, "detail": "full", "token_env": "TOKEN", "chat": 7,
    }  # fmt: skip
    (channel,) = parse_channels([table])
    assert (channel.name, channel.reasons, channel.projects) == ("phone", ("permission",), ("/work",))
    assert (channel.quiet_hours, channel.delay, channel.detail) == ("22:00-07:00", 60, Detail.FULL)
    assert channel.options == (("chat", 7), ("token_env", "TOKEN"))


@pytest.mark.parametrize(
    "wrong",
    [
        "telegram",
        [7],
        [{}],
        [{"kind": 7}],
        [{"kind": "../x"}],
        [{"kind": "ntfy", "name": ""}],
        [{"kind": "ntfy", "name": "a\nb"}],
        [{"kind": "ntfy", "delay": -1}],
        [{"kind": "ntfy", "delay": True}],
        [{"kind": "ntfy", "delay": "20"}],
        [{"kind": "ntfy", "reasons": ["all"]}],
        [{"kind": "ntfy", "reasons": "permission"}],
        [{"kind": "ntfy", "projects": [7]}],
        [{"kind": "ntfy", "detail": "much"}],
        [{"kind": "ntfy", "quiet_hours": "22-7"}],
        [{"kind": "ntfy", "topic": ["a"]}],
        [{"kind": "ntfy", "topic": "x" * 2_001}],
        [{"kind": "ntfy"}, {"kind": "ntfy"}],
    ],
)
def test_a_wrong_value_is_refused(wrong: Any) -> None:
    with pytest.raises(SettingError, match="channels"):
        parse_settings({"channels": wrong}, "settings.toml", {}, {})


def test_two_channels_of_one_kind_have_two_names() -> None:
    settings = parse_settings({"channels": [{"kind": "ntfy"}, {"kind": "ntfy", "name": "team"}]}, "f", {}, {})
    assert [channel.name for channel in settings[CHANNELS]] == ["ntfy", "team"]


def test_secrets_are_not_shown() -> None:
    (channel,) = parse_channels(
        [{"kind": "ntfy", "topic": "secret", "token_env": "TOKEN", "server": "https://n.example"}]
    )
    assert shown(channel)["options"] == {"server": "https://n.example", "token_env": "TOKEN", "topic": "…"}
