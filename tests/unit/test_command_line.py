"""Command lines of the settings."""

from __future__ import annotations

import pytest

from tray.core.command_line import split_command


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"C:\Tools\wezterm.exe", [r"C:\Tools\wezterm.exe"]),
        (r'"C:\Program Files\WezTerm\wezterm.exe" start --', [r"C:\Program Files\WezTerm\wezterm.exe", "start", "--"]),
        (r'"C:\My Terminals\\" -e', ["C:\\My Terminals\\\\", "-e"]),
        ("kitty --class 'agent", ["kitty", "--class", "'agent"]),
        (r"\\server\share\wt.exe # -w", [r"\\server\share\wt.exe", "#", "-w"]),
        ('wt -w "" new-tab', ["wt", "-w", "", "new-tab"]),
        ("", []),
    ],
)
def test_on_windows_only_double_quotes_group_words(text: str, words: list[str]) -> None:
    assert split_command(text, windows=True) == words


def test_on_posix_the_rules_are_those_of_the_shell() -> None:
    assert split_command(r"kitty --title 'a b' c\ d", windows=False) == ["kitty", "--title", "a b", "c d"]


@pytest.mark.parametrize("windows", [True, False])
def test_a_quote_that_is_not_closed_is_an_error(windows: bool) -> None:
    with pytest.raises(ValueError, match="closing quotation"):
        split_command('kitty "--class', windows=windows)
