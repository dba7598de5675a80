"""Run the real Codex in a private home with the scripted model: as terminal UI in tmux, or as `codex exec`."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from agent_program import PromptedProgram, installation_folder, make_repository, required
from tmux_terminal import KILL
from tray.agents.codex.hooks import HOOK_FILE
from tray.agents.hook_command import hook_command
from waiting import until

VERSION = "0.171.0"
DIALOG = "Would you like to run the following command?"  # in the permission dialog of a command
REVIEW = "Hooks need review"  # shown at the start as long as hooks are not trusted
TRUST_SELECTED = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} 2. Trust all and continue"
CONFIGURATION = """\
model = "gpt-5.5"
model_provider = "scripted"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[model_providers.scripted]
name = "Scripted"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
env_key = "SCRIPTED_API_KEY"
request_max_retries = 0
stream_max_retries = 0

[projects.{project}]
trust_level = "trusted"

[notice.model_migrations]  # Codex offered the new model
"gpt-5.5" = "gpt-6-sol"

[tui]
screen_reader_detection_done = true
"""


def binary() -> Path:
    """Return the program that packaging/check.py installed; skip the test if there is none."""
    folder = installation_folder("CODEX_TEST_DIR", "codex", VERSION)
    return required(folder / "node_modules/.bin/codex", f"Codex {VERSION} is not in {folder}; run packaging/check.py")


def touch(name: str) -> dict[str, Any]:
    """Return a script that creates a file, for which Codex needs a permission."""
    arguments = {"cmd": f"touch {name}", "sandbox_permissions": "require_escalated", "justification": "May I?"}
    return {"calls": [[["exec_command", arguments]]]}


class Codex(PromptedProgram):
    """Codex in its own home, with a trusted project. Its terminal UIs share one daemon."""

    def __init__(self, home: Path, model_port: int) -> None:
        self.configuration = home / "codex"
        variables = {"CODEX_HOME": str(self.configuration), "SCRIPTED_API_KEY": "x"}
        super().__init__(binary(), home, variables)
        make_repository(self.project)
        self.configuration.mkdir()
        text = CONFIGURATION.format(port=model_port, project=json.dumps(str(self.project)))
        (self.configuration / "config.toml").write_text(text, encoding="utf-8")
        self._link_daemon()

    def configure(self, line: str) -> None:
        """Add a line to the configuration, for processes started from now on."""
        path = self.configuration / "config.toml"
        path.write_text(f"{line}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")

    def _link_daemon(self) -> None:
        """Make the daemon run from the installation. Codex would copy its 400 MB into each home."""
        (programs,) = self.binary.parent.parent.glob("@openai/codex-*/vendor/*")
        folder = self.configuration / "packages" / "app-server-daemon"
        folder.mkdir(parents=True)
        (folder / "current").symlink_to(programs)

    def tui(self, *arguments: str) -> None:
        """Start the terminal UI, with its daemon, and wait until it takes input."""
        self.open_terminal(*arguments)
        until(lambda: "GPT-5.5" in self.terminal.screen(), "Codex' terminal UI", 60)

    def install_hooks(self, socket: Path) -> None:
        """Write the hooks of the tray."""
        text = HOOK_FILE.with_hooks("", lambda agent, seconds: hook_command(agent, str(socket), seconds))
        self.hook_file.write_text(text, encoding="utf-8")

    @property
    def hook_file(self) -> Path:
        return self.configuration / HOOK_FILE.name

    def tui_with_new_hooks(self, *arguments: str) -> None:
        """Start the terminal UI, which asks whether the hooks are trusted, and trust them."""
        self.open_terminal(*arguments)
        until(lambda: REVIEW in self.terminal.screen(), "the question about hooks", 60)
        self.press_until("Down", lambda: TRUST_SELECTED in self.terminal.screen(), "the second answer")
        self.press_until_closed("Enter", REVIEW)
        until(lambda: "GPT-5.5" in self.terminal.screen(), "Codex' terminal UI")

    def plan(self) -> None:
        """Switch to the mode in which Codex asks questions. Just after its start, Codex ignores the key."""
        self.press_until("BTab", lambda: "Plan mode" in self.terminal.screen(), "the mode that asks", 3)

    def accept(self) -> None:
        """Allow the command of the open dialog once."""
        self.press_until_closed("Enter", DIALOG)

    def run(self, script: dict[str, Any] | None = None, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `codex exec`, which ends with its turn, and never asks."""
        return self.start("exec", *arguments, f"work ##{json.dumps(script or {})}")

    # ------------------------------------------------------------------ the daemon

    @property
    def socket(self) -> Path:
        """The daemon's socket, outside of the home."""
        return (self.configuration / "app-server-control" / "app-server-control.sock").resolve()

    @property
    def daemon_pid(self) -> int | None:
        """The daemon's process, if it has been started."""
        try:
            text = (self.configuration / "app-server-daemon" / "daemon.pid").read_text(encoding="utf-8")
        except OSError:
            return None
        return int(json.loads(text)["pid"])

    def kill_daemon(self) -> None:
        """Kill the daemon with the commands that it runs."""
        pid = self.daemon_pid
        if pid is None:
            return
        with suppress(psutil.NoSuchProcess):
            daemon = psutil.Process(pid)
            processes = [daemon, *daemon.children(recursive=True)]
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, 10)
        self.socket.unlink(missing_ok=True)
        Path(f"{self.socket}.lock").unlink(missing_ok=True)

    def kill(self, number: signal.Signals = KILL) -> None:
        super().kill(number)
        self.kill_daemon()
