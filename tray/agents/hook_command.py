"""The command of an installed hook. It runs no program of ours, and does nothing while no tray runs.

The text depends only on the agent and on the path of the socket, so it stays the same when the tray is updated.
"""

from __future__ import annotations

import shlex

from tray.agents import hook_client

OWN_URL = "http://tray/hook/"  # in every command that was installed, whatever its version
CONNECT_TIMEOUT = 0.3  # s, of curl: a tray that runs accepts at once


def hook_command(agent: str, socket: str, timeout: int) -> str:
    """Return the command that passes a hook to the tray and prints the answer. It always exits with 0.

    `agent` is its name at the hook socket, `socket` the path of the socket, `timeout` the limit in s. $PPID is the
    process of the agent, which runs the command with a shell. Only a tray that is not hung is given a long limit.
    """
    quoted, probe_timeout = shlex.quote(socket), hook_client.PROBE_TIMEOUT
    call = f'{_options(quoted, timeout)} -H Expect: -H "X-Pid: $PPID" --data-binary @- {OWN_URL}{agent}'
    if timeout <= probe_timeout:
        return f"[ -S {quoted} ] && curl -qsf {call} 2>/dev/null; exit 0"
    probe = f"--fail-early {_options(quoted, probe_timeout)} -o /dev/null {OWN_URL}"
    return f"[ -S {quoted} ] && curl -qs {probe} --next -sf {call} 2>/dev/null; exit 0"


def _options(socket: str, timeout: int) -> str:
    return f"--noproxy '*' --connect-timeout {CONNECT_TIMEOUT:g} -m {timeout} --unix-socket {socket}"


def python_hook_command(agent: str, socket: str, timeout: int, python: str) -> str:
    """Return the same command for a machine without curl. `python` is the path of an interpreter."""
    interpreter, client = shlex.quote(python), shlex.quote(hook_client.__file__)
    call = f'{interpreter} -I -S {client} {shlex.quote(socket)} {agent} {timeout} "$PPID"'
    return f"[ -S {shlex.quote(socket)} ] && [ -x {interpreter} ] && {call} 2>/dev/null; exit 0 # {OWN_URL}{agent}"
