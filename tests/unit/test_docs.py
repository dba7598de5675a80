"""The documentation is complete and names only existing settings, commands and files."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tray.cli.parser import make_parser
from tray.core.settings import SETTINGS, Setting
from tray.surfaces.channels.registry import kind_names, kind_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
NAV = re.findall(r"^ +- [^:]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
GENERATED = {"protocol.md", "threat-model.md"}  # by docs/hooks.py
COMMAND_PAGES = ("commands.md", "servers.md")
LINES = 150  # of a page
README_LINES = 90
EVERYWHERE = {"--help", "--ws-port"}  # documented once, for all commands
LINK = re.compile(r"(?:\]\(|src=\")([^)\s\"]+)")

# What reads a variable, in Python and in the plugin.
READS = (
    re.compile(r"\b(?:environ|environment)(?:\.get\(|\[)\s*f?\"([A-Z][A-Z_]+)\""),
    re.compile(r"\bvariable\(\"([A-Z][A-Z_]+)\""),
    re.compile(r"\benv\.([A-Z][A-Z_]+)"),
    re.compile(r"\"((?:OPENCODE|KONSOLE|GNOME_TERMINAL|WT|VTE|XDG|KITTY|WEZTERM|TMUX|ZELLIJ)_[A-Z_]*[A-Z])\""),
)


def rows(page: str) -> Iterator[list[str]]:
    """Return the cells of each row of the page's tables, without headings."""
    for line in PAGES[page].splitlines():
        if line.startswith("| `") or (line.startswith("| ") and "`" in line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Return each command with its long options, without those that `--help` does not show."""
    actions = parser._actions  # noqa: SLF001  # argparse offers no other way
    subcommands = [action for action in actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    if not subcommands:
        shown = [action for action in actions if action.help != argparse.SUPPRESS]
        yield name, {option for action in shown for option in action.option_strings if option.startswith("--")}
    for action in subcommands:
        for word, inner in action.choices.items():
            yield from commands(inner, f"{name} {word}".strip())


COMMANDS = dict(commands(make_parser()))
TOKEN = COMMANDS.pop("token")
COMMANDS |= {"token show": TOKEN, "token rotate": TOKEN}  # its argument reads like a command
DOCUMENTED = {
    name: cells
    for page in COMMAND_PAGES
    for cells in rows(page)
    for name in (re.sub(r" ?[\[A-Z].*", "", word.split("`")[0]) for word in re.findall(r"`([a-z].*?)`", cells[0]))
    if len(cells) == 3
}


def variables() -> set[str]:
    """Return every environment variable that the program or the plugin reads."""
    files = [*(ROOT / "tray").rglob("*.py"), *(ROOT / "plugin").glob("*.js"), *(ROOT / "plugin").glob("src/**/*.js")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return {name for pattern in READS for name in pattern.findall(text)}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_each_setting_has_a_row_with_its_default_and_its_variables(setting: Setting[object]):
    default = json.dumps(setting.default, ensure_ascii=False)
    assert [f"`{setting.key}`", f"`{default}`"] in [cells[:2] for cells in rows("settings.md")]
    if setting.environment:
        names = ", ".join(f"`{name}`" for name in setting.environment)
        assert [names, f"`{setting.key}`"] in list(rows("environment.md"))


def test_the_settings_page_names_no_other_setting():
    named = {cells[0].strip("`") for cells in rows("settings.md") if len(cells) == 4}
    assert named == {setting.key for setting in SETTINGS}


def test_settings_named_on_any_page_exist():
    groups = {setting.key.split(".")[0] for setting in SETTINGS if "." in setting.key}
    named = {
        name for text in PAGES.values() for name in re.findall(rf"`((?:{'|'.join(groups)})\.[a-z_]+)(?: =.*?)?`", text)
    }
    assert named - {f"log.{ending}" for ending in ("md", "txt")} <= {setting.key for setting in SETTINGS}


def test_each_command_has_a_row_and_no_row_names_another():
    assert set(DOCUMENTED) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_row_names_its_options_and_no_others(command: str):
    assert set(re.findall(r"`(--[a-z-]+)", DOCUMENTED[command][2])) == COMMANDS[command] - EVERYWHERE


def test_commands_and_options_in_examples_exist():
    examples = [
        line
        for text in (*PAGES.values(), README.read_text(encoding="utf-8"))
        for line in re.findall(r"opencode-tray ([a-z][a-z-]*(?: [^`\n]*)?)", text)
    ]
    options = set().union(*COMMANDS.values())
    words = {name.split()[0] for name in COMMANDS}
    for example in examples:
        command = example.split()[0]
        if command in words:
            assert set(re.findall(r"(?<!\S)(--[a-z-]+)", example.split("#")[0])) <= options, example
    assert "--version" in PAGES["commands.md"]


def test_every_environment_variable_is_documented():
    found = variables()
    assert {"TMUX_PANE", "OPENCODE_CONFIG_DIR", "OPENCODE_PLUGIN_LOG_FILE", "TERMINAL"} <= found
    documented = set(re.findall(r"`([A-Z][A-Z_]+)(?:=\d)?`", PAGES["environment.md"]))
    assert found - documented == set()


def test_no_other_variable_of_ours_is_documented():
    ours = {name for text in PAGES.values() for name in re.findall(r"\bOPENCODE_(?:TRAY|MONITOR)_[A-Z_]*[A-Z]", text)}
    assert ours <= variables() | {name for setting in SETTINGS for name in setting.environment}


def test_every_page_is_short_and_in_the_navigation():
    assert {name: len(text.splitlines()) for name, text in PAGES.items() if len(text.splitlines()) > LINES} == {}
    pages = {name for name in PAGES if not name.startswith("architecture")}
    assert pages | GENERATED <= set(NAV)
    assert set(NAV) <= set(PAGES) | GENERATED | {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert len(NAV) == len(set(NAV))


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_every_relative_link_and_picture_leads_to_a_file():
    for path in (README, ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")):
        for link in LINK.findall(path.read_text(encoding="utf-8")):
            if "://" not in link and not link.startswith("#"):
                target = path.parent / link.partition("#")[0]
                assert target.exists(), f"{path.relative_to(ROOT)}: {link}"


def test_every_picture_is_used_and_small():
    text = "".join([*PAGES.values(), README.read_text(encoding="utf-8")])
    for picture in (DOCS / "screenshots").glob("*.[ps][nv]g"):
        assert f"screenshots/{picture.name}" in text
        assert picture.stat().st_size <= 150_000


@pytest.mark.parametrize("name", kind_names())
def test_each_kind_of_channel_is_documented_with_its_fields(name: str) -> None:
    page = PAGES["channels.md"]
    kind = kind_of(name)
    assert f"| `{name}` |" in page
    for field in (*kind.needed, *kind.optional):
        assert re.search(rf"\b{field}(_env)?\b", page), field


@pytest.mark.parametrize("page", ["security.md", "faults.md"])
def test_each_test_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGES[page]))
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 30
    assert not named - set(re.findall(r"^(?:async )?def (test_\w+)", sources, re.MULTILINE))
