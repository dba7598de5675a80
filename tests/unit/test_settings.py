"""Settings: precedence of flags, environment, file and defaults; errors name the allowed values."""

from __future__ import annotations

from pathlib import Path

import pytest

from tray.core.alerts import Reason, WhenLooking
from tray.core.rules import alert_rules
from tray.core.settings import (
    DEBUG,
    ICON_COUNT,
    PORT,
    QUIET_HOURS,
    SETTINGS,
    TERMINAL,
    SettingError,
    parse_settings,
)
from tray.storage.settings_file import SettingsFileError, load_settings, template


def test_the_source_of_highest_precedence_wins_and_is_named() -> None:
    file = {"listener": {"port": 1111}}
    environment = {"OPENCODE_MONITOR_PORT": "2222"}
    assert parse_settings({}, "f", {}, {})[PORT] == 41235
    for source, given in {
        "default": ({}, {}, {}),
        "f": (file, {}, {}),
        "OPENCODE_MONITOR_PORT": (file, environment, {}),
        "OPENCODE_TRAY_LISTENER_PORT": (file, {**environment, "OPENCODE_TRAY_LISTENER_PORT": "3333"}, {}),
        "flag": (file, environment, {"listener.port": 4444}),
    }.items():
        file, variables, flags = given
        assert parse_settings(file, "f", variables, flags).source(PORT) == source


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ({"listener": {"port": 70_000}}, "listener.port"),
        ({"listener": {"port": True}}, "listener.port"),
        ({"listener": {"port": "x"}}, "listener.port"),
        ({"listener": {"host": "a b"}}, "listener.host"),
        ({"icon": {"style": "rainbow"}}, "icon.style"),
        ({"icon": {"style": ["colour"]}}, "icon.style"),
        ({"notifications": {"quiet_hours": "22-7"}}, "notifications.quiet_hours"),
        ({"notifications": {"enabled": "maybe"}}, "notifications.enabled"),
        ({"notifications": {"when_looking": True}}, "notifications.when_looking"),
        ({"attach": {"terminal": 7}}, "attach.terminal"),
    ],
)
def test_an_error_names_the_value_and_what_is_allowed(file: dict[str, object], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_settings(file, "settings.toml", {}, {})
    assert key in str(caught.value)
    assert "settings.toml" in str(caught.value)
    assert "allowed" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"listener": {"prot": 1}}, "unknown setting listener.prot; did you mean listener.port?"),
        ({"notifications": {"finish": 1}}, "did you mean notifications.finished?"),
        ({"terminal": "foot"}, "did you mean attach.terminal?"),
        ({"colour": 1}, "unknown setting colour; allowed: alerts.turn_cost, alerts.turn_minutes, attach.opencode"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest(file: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_settings(file, "settings.toml", {}, {})
    assert str(caught.value).startswith("settings.toml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "command", ["kitty --class 'a b'", r'"C:\Program Files\WezTerm\wezterm.exe" start --', "C:\\bin\\"]
)
def test_a_command_may_follow_the_rules_of_any_system(command: str) -> None:
    assert parse_settings({"attach": {"terminal": command}}, "settings.toml", {}, {})[TERMINAL] == command


def test_a_command_without_its_closing_quote_is_refused() -> None:
    with pytest.raises(SettingError, match=r"attach\.terminal"):
        parse_settings({"attach": {"terminal": 'kitty "a'}}, "settings.toml", {}, {})


def test_an_overridden_invalid_value_is_a_problem_but_not_an_error() -> None:
    file = {"listener": {"port": "x"}}
    for environment, flags in (({}, {"listener.port": 4444}), ({"OPENCODE_MONITOR_PORT": "4444"}, {})):
        settings = parse_settings(file, "settings.toml", environment, flags)
        assert settings[PORT] == 4444
        (problem,) = settings.problems
        assert all(word in problem for word in ("settings.toml", "listener.port", "'x'", "1 to 65535"))
    with pytest.raises(SettingError):
        parse_settings(file, "settings.toml", {"OPENCODE_MONITOR_PORT": "y"}, {})
    assert parse_settings({"listener": {"port": 1}}, "f", {}, {"listener.port": 2}).problems == ()


def test_variables_of_opencode_monitor_work() -> None:
    settings = parse_settings({}, "f", {"OPENCODE_MONITOR_DEBUG": "1", "OPENCODE_MONITOR_PORT": "5000"}, {})
    assert (settings[DEBUG], settings[PORT]) == (True, 5000)


def test_an_empty_variable_does_not_count() -> None:
    assert parse_settings({}, "f", {"OPENCODE_MONITOR_PORT": ""}, {})[PORT] == 41235


@pytest.mark.parametrize(
    ("hours", "quiet", "loud"),
    [("22:00-07:00", [22 * 60, 0, 6 * 60 + 59], [7 * 60, 12 * 60]), ("09:00-10:30", [9 * 60], [8 * 60, 10 * 60 + 30])],
)
def test_quiet_hours_may_span_midnight(hours: str, quiet: list[int], loud: list[int]) -> None:
    settings = parse_settings({"notifications": {"quiet_hours": hours}}, "f", {}, {})
    assert settings[QUIET_HOURS] == hours
    assert all(settings.is_quiet(minute) for minute in quiet)
    assert not any(settings.is_quiet(minute) for minute in loud)


@pytest.mark.parametrize("word", ["hold", "show", "never"])
def test_the_setting_when_looking_is_a_rule_of_the_alerts(word: str) -> None:
    settings = parse_settings({"notifications": {"when_looking": word}}, "f", {}, {})
    assert alert_rules(settings).when_looking is WhenLooking(word)
    assert alert_rules(parse_settings({}, "f", {}, {})).when_looking is WhenLooking.HOLD


def test_disabled_notifications_disable_every_reason() -> None:
    rules = alert_rules(parse_settings({"notifications": {"enabled": False}}, "f", {}, {}))
    assert rules.reasons == frozenset()
    some = alert_rules(parse_settings({"notifications": {"finished": False}}, "f", {}, {}))
    assert some.reasons == frozenset(Reason) - {Reason.FINISHED}


def test_the_template_sets_nothing_and_every_line_of_it_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(template(), encoding="utf-8")
    untouched = load_settings(path, {}, {})
    assert all(untouched.source(setting) == "default" for setting in SETTINGS)
    lines = [line.removeprefix("# ") for line in template().splitlines()[1:]]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert all(load_settings(path, {}, {}).source(setting) == str(path) for setting in SETTINGS)


def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[icon\ncount = 1", encoding="utf-8")
    with pytest.raises(SettingsFileError, match=r"settings\.toml"):
        load_settings(path, {}, {})


@pytest.mark.parametrize(("encoding", "named"), [("utf-16", "UTF-16"), ("latin-1", "not UTF-8")])
def test_a_file_in_another_encoding_is_to_be_saved_as_utf_8(tmp_path: Path, encoding: str, named: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[attach]\nterminal = "Müller"\n', encoding=encoding)
    with pytest.raises(SettingsFileError, match=f"the text is {named}; save it as UTF-8"):
        load_settings(path, {}, {})


def test_an_error_in_a_file_with_a_path_in_double_quotes_names_the_single_quotes(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[attach]\nopencode = "C:\\Users\\me\\opencode.exe"\n', encoding="utf-8")
    with pytest.raises(SettingsFileError, match=r"line 2.*single quotes"):
        load_settings(path, {}, {})
    path.write_text("[attach]\nopencode = 'C:\\Users\\me\\opencode.exe'\n", encoding="utf-8")
    load_settings(path, {}, {})
    path.write_text("[attach\n", encoding="utf-8")
    with pytest.raises(SettingsFileError) as other:
        load_settings(path, {}, {})
    assert "quotes" not in str(other.value)


def test_without_a_file_all_values_are_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.toml", {}, {})[ICON_COUNT] is True
