"""Run the real OpenCode in a private home with the scripted model: as a server, as `run`, or as terminal UI in tmux."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

NEWEST, LAST_YEAR, OLDEST = "1.18.33", "1.1.65", "1.0.185"
PLUGIN = Path(__file__).parent.parent / "plugin" / "opencode-tray.js"
IN_CI = os.environ.get("CI") == "true"


def _folder() -> str:
    return os.environ.get("OPENCODE_TEST_DIR") or str(Path.home() / ".cache/opencode-tray-tests/opencode")


def installed(version: str) -> Path | None:
    """Return the executable that packaging/check.py installed, or None."""
    found = sorted(Path(_folder(), version, "node_modules").glob("opencode-*/bin/opencode"), key=lambda p: len(str(p)))
    return next((path for path in found if path.parts[-3] != "opencode-ai"), None)


def binary(version: str) -> Path:
    """Return the executable; skip the test if it is not installed."""
    found = installed(version)
    if found is None:
        reason = f"OpenCode {version} is not in {_folder()}; run packaging/check.py"
    elif version == OLDEST and shutil.which("rg") is None:
        reason = f"OpenCode {version} would fetch ripgrep by itself; install it"
    else:
        return found
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def until(condition: Callable[[], Any], deadline: float = 20, what: str = "the condition") -> Any:
    """Wait for a true value of the condition and return it; fail after the deadline."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come true within {deadline:g} s")
        time.sleep(0.05)
    return value


class OpenCode:
    """A version of OpenCode in its own home. The plugin, if installed, sees `environment`."""

    def __init__(
        self, version: str, home: Path, model_port: int, environment: dict[str, str], *, plugin: bool = True
    ) -> None:
        self.version = version
        self.binary = binary(version)
        self.home = home
        self.project = home / "project"
        self.url = ""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tmux: Path | None = None
        self._make_home(model_port)
        if plugin:
            self.install_plugin()
        self.environment = {
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            **{f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")},
            "TMPDIR": str(home / "tmp"),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            **environment,
        }

    def _make_home(self, model_port: int) -> None:
        for folder in ("config/opencode/plugin", "tmp", "project"):
            (self.home / folder).mkdir(parents=True)
        model = {
            "name": "Fake One",
            "limit": {"context": 8000, "output": 1000},
            "cost": {"input": 3, "output": 15},
        }
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Fake",
            "options": {"baseURL": f"http://127.0.0.1:{model_port}/v1", "apiKey": "x"},
            "models": {"fake-1": model},
        }
        config = {
            "autoupdate": False,
            "share": "disabled",
            "provider": {"fake": provider},
            "model": "fake/fake-1",
            "small_model": "fake/fake-1",
            "permission": {"bash": "ask"},
        }
        (self.home / "config/opencode/opencode.json").write_text(json.dumps(config), encoding="utf-8")
        for words in (
            ("init", "-q"),
            ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"),
        ):
            subprocess.run(["git", *words], cwd=self.project, check=True, capture_output=True)

    def install_plugin(self) -> None:
        """Install the plugin, for processes started from now on."""
        shutil.copy(PLUGIN, self.home / "config/opencode/plugin")

    def install_npm_plugin(self, registry: str) -> None:
        """Name the plugin's npm package in opencode.json; what starts after that installs it from this registry."""
        path = self.home / "config/opencode/opencode.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**config, "plugin": ["opencode-tray"]}), encoding="utf-8")
        self.environment |= {
            "NPM_CONFIG_REGISTRY": registry,
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",  # 1.0 has some that it would install as well
        }

    def settle(self) -> None:
        """Wait until it has installed what it wants in its configuration.

        1.18 keeps a lock while it does; killed then, it leaves the lock, and the next one with a plugin waits for it.
        """
        locks = self.home / "state" / "opencode" / "locks"
        until(lambda: not list(locks.glob("*.lock")), 60, "the end of OpenCode's own installation")

    # ------------------------------------------------------------------ as a server

    @property
    def data(self) -> Path:
        """The folder of its sessions."""
        return self.home / "data" / "opencode"

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._processes[-1].pid

    def serve(self) -> None:
        """Start `opencode serve` and wait until it answers."""
        log = (self.home / "serve.log").open("wb")
        command = [str(self.binary), "serve", "--port", "0", "--hostname", "127.0.0.1"]
        process = subprocess.Popen(
            command, cwd=self.project, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self._processes.append(process)
        text = self.home / "serve.log"
        self.url = until(
            lambda: (found := re.search(r"listening on (http://\S+)", text.read_text())) and found[1],
            30,
            "opencode serve",
        )
        if self.version != OLDEST:
            until(self._answers, 20, "opencode serve's first answer")
        self.call("GET", "/config")  # makes it load the directory and the plugin

    def _answers(self) -> bool:
        """OpenCode 1.18 loses a request in its first moments; if it was for a directory, that directory hangs."""
        try:
            return bool(self.call("GET", "/global/health", patience=0.3))
        except (TimeoutError, urllib.error.URLError):
            return False

    def call(
        self, method: str, path: str, body: Any = None, directory: Path | None = None, patience: float = 20
    ) -> Any:
        """Send an HTTP request and return the decoded response."""
        query = f"?directory={urllib.parse.quote(str(directory))}" if directory else ""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  # our own server
            f"{self.url}{path}{query}", content, {"content-type": "application/json", **self._login()}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from error
        return json.loads(text) if text else None

    def _login(self) -> dict[str, str]:
        password = self.environment.get("OPENCODE_SERVER_PASSWORD")
        login = base64.b64encode(f"opencode:{password}".encode()).decode()
        return {"authorization": f"Basic {login}"} if password else {}

    def session(self, directory: Path | None = None) -> str:
        """Create a session and return its ID."""
        return str(self.call("POST", "/session", {}, directory)["id"])

    def prompt(self, session: str, script: dict[str, Any] | None = None, directory: Path | None = None) -> None:
        """Send a prompt without waiting for the answer."""
        text = f"hello from {session} ##{json.dumps(script or {})}"  # makes every prompt unique
        body = {"parts": [{"type": "text", "text": text}]}
        if self.version == OLDEST:  # it has no prompt_async: ignore the response of the blocking call
            self._background(session, body, directory)
        else:
            self.call("POST", f"/session/{session}/prompt_async", body, directory)

    def _background(self, session: str, body: Any, directory: Path | None) -> None:
        def post() -> None:
            try:
                self.call("POST", f"/session/{session}/message", body, directory)
            except (AssertionError, OSError):
                return  # stopped, failed or killed by the test

        threading.Thread(target=post, daemon=True).start()

    # ------------------------------------------------------------------ as a command

    def run(self, prompt: str) -> subprocess.Popen[bytes]:
        """Start `opencode run`, which ends with its turn. The model receives a prompt with a space in quotes."""
        process = subprocess.Popen(
            [str(self.binary), "run", prompt],
            cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._processes.append(process)
        return process

    # ------------------------------------------------------------------ in its terminal UI

    def tui(self, *arguments: str) -> None:
        """Start the terminal UI in a private tmux server and wait until it accepts input."""
        self._tmux = self.home / "tmux.sock"
        pane = ["new-session", "-d", "-s", "tui", "-x", "120", "-y", "40", str(self.binary), *arguments]
        self.tmux(*pane)
        until(lambda: "Ask anything" in self.screen() or "ctrl+" in self.screen().lower(), 40, "the terminal UI")

    def tmux(self, *words: str) -> str:
        """Run a command of the private tmux server and return its output."""
        command = ["tmux", "-f", "/dev/null", "-S", str(self._tmux), *words]
        done = subprocess.run(
            command, cwd=self.project, env=self.environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout

    def screen(self) -> str:
        """Return the content of the terminal."""
        return self.tmux("capture-pane", "-p", "-t", "tui")

    def type(self, text: str, sent: Callable[[], bool]) -> None:
        """Type a prompt and press Enter until `sent` returns true."""
        self.tmux("send-keys", "-t", "tui", "-l", text)
        until(lambda: text[:20] in self.screen(), 20, "the typed prompt")
        end = time.monotonic() + 20
        while not sent():
            assert time.monotonic() < end, f"Enter did not send the prompt:\n{self.screen()}"
            self.tmux("send-keys", "-t", "tui", "Enter")
            pause = time.monotonic() + 3  # a late second Enter could answer a request
            while time.monotonic() < pause and not sent():
                time.sleep(0.05)

    # ------------------------------------------------------------------ the end

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill every process that was started."""
        if self._tmux is not None:
            pids = self.tmux("list-panes", "-a", "-F", "#{pane_pid}").split()
            for pid in pids:
                os.kill(int(pid), number)
            self.tmux("kill-server")
            self._tmux = None
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        self._processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
