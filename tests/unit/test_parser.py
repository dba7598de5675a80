"""The tables of commands: each command has a function, and each session command has a record."""

from __future__ import annotations

from importlib import import_module

import pytest

from tray.cli.parser import COMMANDS, make_parser
from tray.cli.serve_parser import SERVE_COMMANDS
from tray.core.commands import SESSION_COMMAND_RECORDS
from tray.core.session_commands import SESSION_COMMANDS, SESSION_SUBCOMMANDS

TARGETS = sorted({run for run, _ in (*COMMANDS.values(), *SERVE_COMMANDS.values()) if run})


@pytest.mark.parametrize("target", TARGETS)
def test_the_function_of_a_command_exists(target: str) -> None:
    module, _, name = target.partition(":")
    assert callable(getattr(import_module(module), name))


def test_every_command_of_the_tables_is_parsed() -> None:
    shown = make_parser().format_help()
    assert [name for name in COMMANDS if f"    {name}" not in shown] == []
    for info in SESSION_SUBCOMMANDS:
        assert make_parser().parse_args(["session", info.name, "ses_1"]).subcommand == info.name


def test_every_session_command_has_a_record() -> None:
    assert set(SESSION_COMMANDS) == set(SESSION_COMMAND_RECORDS)
