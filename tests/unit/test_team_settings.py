"""The settings of a team: addresses without passwords, keys of 32 bytes, and no secret in an error or a report."""

from __future__ import annotations

import base64

import pytest

from tray.actions.doctor.installation import SECRET
from tray.core.settings import TEAM_ANSWERS, TEAM_BROKER, TEAM_KEY, SettingError, parse_settings
from tray.core.team_settings import Broker, TrustedTray, broker_of, key_bytes, key_text

KEY = bytes(range(200, 232))


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", Broker("broker", 1883, False, "")),
        ("mqtts://tray@broker.example:8884/", Broker("broker.example", 8884, True, "tray")),
        ("mqtts://[::1]", Broker("::1", 8883, True, "")),
    ],
)
def test_an_address_has_the_port_of_its_scheme_unless_it_names_one(url: str, broker: Broker) -> None:
    assert broker_of(url) == broker


@pytest.mark.parametrize(
    "url",
    [
        "http://broker", "mqtt://", "broker:1883", "mqtt://tray:secret@broker", "mqtt://b:0", "mqtt://b:99999",
        "mqtt://b/topic", "mqtt://b?x", "mqtt://b c", 3,
    ],
)  # fmt: skip
def test_another_address_is_refused_and_not_quoted(url: object) -> None:
    with pytest.raises(SettingError) as caught:
        parse_settings({"team": {"broker": url}}, "settings.toml", {}, {})
    assert "secret" not in str(caught.value)
    assert "team.broker" in str(caught.value)


@pytest.mark.parametrize(
    "text", [KEY.hex(), key_text(KEY), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode()]
)
def test_a_key_is_hex_or_base64(text: str) -> None:
    assert key_bytes(text) == KEY


@pytest.mark.parametrize("text", ["x" * 42, KEY.hex()[:-1], KEY[:-1].hex(), "é" * 43, "secret", 1])
def test_another_key_is_refused_and_not_quoted(text: object) -> None:
    with pytest.raises(SettingError) as caught:
        parse_settings({}, "settings.toml", {"OPENCODE_TRAY_TEAM_KEY": str(text)}, {})
    assert str(text) not in str(caught.value).replace("OPENCODE_TRAY_TEAM_KEY", "")


def test_the_key_is_not_shown() -> None:
    settings = parse_settings({"team": {"key": KEY.hex()}}, "settings.toml", {}, {})
    assert TEAM_KEY.show(settings[TEAM_KEY]) == "…"
    assert settings[TEAM_BROKER] == ""


def test_trusted_trays_have_a_name_and_a_key() -> None:
    entry = f"anna@desk {key_text(KEY)}"
    anna = TrustedTray("anna@desk", key_text(KEY))
    for value in ([entry], entry, [f"anna@desk {KEY.hex()}"]):
        assert parse_settings({"team": {"answers": value}}, "f", {}, {})[TEAM_ANSWERS] == (anna,)
    for value in ("off", ""):
        assert parse_settings({"team": {"answers": value}}, "f", {}, {})[TEAM_ANSWERS] == ()
    for value in (["anna"], [key_text(KEY)], ["anna x"], [1], {"anna": "x"}):
        with pytest.raises(SettingError):
            parse_settings({"team": {"answers": value}}, "f", {}, {})


def test_a_settings_file_with_a_key_has_to_be_private() -> None:
    assert SECRET.search(f'[team]\nkey = "{KEY.hex()}"')
    assert SECRET.search(f'team.key="{KEY.hex()}"')
    assert not SECRET.search('# key = ""\nkey_env = "TEAM_KEY"')
