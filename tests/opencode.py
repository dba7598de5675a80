"""Run the real OpenCode in a private home with the scripted model: as a server, as `run`, or as terminal UI in tmux."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_program import AgentProgram, installation_folder, make_repository, required
from waiting import at_most_every, until

NEWEST, LAST_YEAR, OLDEST = "1.18.33", "1.1.65", "1.0.185"
WITHOUT_DISPOSE = "1.14.41"  # the last one known that does not tell plugins that it ends
PATCHING_MODEL = "gpt-5-fake"  # OpenCode gives models of this name `apply_patch` instead of `edit` and `write`
ALLOW = "Allow once"  # in the dialog of a permission
PLUGIN = Path(__file__).parent.parent / "plugin" / "opencode-tray.js"


def _folder() -> Path:
    return installation_folder("OPENCODE_TEST_DIR", "opencode")


def installed(version: str) -> Path | None:
    """Return the executable that packaging/check.py installed, or None."""
    found = sorted((_folder() / version / "node_modules").glob("opencode-*/bin/opencode"), key=lambda p: len(str(p)))
    return next((path for path in found if path.parts[-3] != "opencode-ai"), None)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def binary(version: str) -> Path:
    """Return the executable; skip the test if it is not installed."""
    found = installed(version)
    if version == OLDEST and shutil.which("rg") is None:
        return required(None, f"OpenCode {version} would fetch ripgrep by itself; install it")
    return required(found, f"OpenCode {version} is not in {_folder()}; run packaging/check.py")


class OpenCode(AgentProgram):
    """A version of OpenCode in its own home. The plugin, if installed, sees `environment`."""

    def __init__(
        self,
        version: str,
        home: Path,
        model_port: int,
        environment: dict[str, str],
        *,
        plugin: bool = True,
        has_packages: bool = True,
    ) -> None:
        """`has_packages`: what OpenCode would install at its start is installed already."""
        self.version = version
        self.url = ""
        folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")}
        super().__init__(
            binary(version),
            home,
            {
                **folders,
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
                **environment,
            },
        )
        self._make_home(model_port)
        if has_packages:
            self._copy_packages()
        if plugin:
            self.install_plugin()

    def _make_home(self, model_port: int) -> None:
        (self.home / "config/opencode/plugin").mkdir(parents=True)
        model = {
            "name": "Fake One",
            "limit": {"context": 8000, "output": 1000},
            "cost": {"input": 3, "output": 15},
        }
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Fake",
            "options": {"baseURL": f"http://127.0.0.1:{model_port}/v1", "apiKey": "x"},
            "models": {"fake-1": model, PATCHING_MODEL: model},
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
        make_repository(self.project)

    def _copy_packages(self) -> None:
        """Put in place what OpenCode would install in its configuration folder at its start: up to 64 MB."""
        source = _folder() / self.version / "config"
        if (source / "complete").exists():
            ignore = shutil.ignore_patterns("complete")
            target = self.home / "config/opencode"
            shutil.copytree(source, target, symlinks=True, ignore=ignore, copy_function=_link, dirs_exist_ok=True)

    def install_plugin(self) -> None:
        """Install the plugin, for processes started from now on."""
        shutil.copy(PLUGIN, self.home / "config/opencode/plugin")

    def install_npm_plugin(self, registry: str) -> None:
        """Name the plugin's npm package in opencode.json, to be installed from this registry at the next start."""
        path = self.home / "config/opencode/opencode.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**config, "plugin": ["opencode-tray"]}), encoding="utf-8")
        self.environment |= {
            "NPM_CONFIG_REGISTRY": registry,
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",  # 1.0 would install them as well
        }

    def settle(self) -> None:
        """Wait until OpenCode has installed packages in its configuration folder.

        1.18 holds a lock meanwhile. If it is killed, the lock stays, and the next OpenCode with a plugin waits for it.
        """
        locks = self.home / "state" / "opencode" / "locks"
        until(lambda: not list(locks.glob("*.lock")), "the end of OpenCode's own installation", 60)

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
        self.start("serve", "--port", "0", "--hostname", "127.0.0.1", log="serve.log")
        text = self.home / "serve.log"
        self.url = until(
            lambda: (found := re.search(r"listening on (http://\S+)", text.read_text())) and found[1],
            "opencode serve",
            30,
        )
        if self.version != OLDEST:
            until(self._answers, "opencode serve's first answer", 20)
        self.call("GET", "/config")  # makes it load the directory and the plugin

    def _answers(self) -> bool:
        """OpenCode 1.18 may lose a request just after its start; if that was for a directory, the directory hangs."""
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

    def prompt(
        self,
        session: str,
        script: dict[str, Any] | None = None,
        directory: Path | None = None,
        model: str = "",
    ) -> None:
        """Send a prompt without waiting for the answer."""
        text = f"hello from {session} ##{json.dumps(script or {})}"  # makes every prompt unique
        named = {"model": {"providerID": "fake", "modelID": model}} if model else {}
        body = {"parts": [{"type": "text", "text": text}], **named}
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
        return self.start("run", prompt)

    # ------------------------------------------------------------------ in its terminal UI

    def tui(self, *arguments: str) -> None:
        """Start the terminal UI in a private tmux server and wait until it has loaded the model and the project."""
        self.open_terminal(*arguments)
        until(self._tui_is_ready, "the terminal UI", 90)  # 50 s on a busy machine

    def _tui_is_ready(self) -> bool:
        """Without a model, Enter opens a dialog instead. The start screen shows the branch once its server answers."""
        screen = self.screen()
        return "Fake One" in screen and ("Ask anything" not in screen or "project:" in screen)

    def tmux(self, *words: str) -> str:
        """Run a command of the private tmux server and return its output."""
        return self.terminal.run(*words)

    def screen(self) -> str:
        """Return the content of the terminal."""
        return self.terminal.screen()

    def allow_in_dialog(self) -> None:
        """Allow a permission once in the terminal UI. The tray may know of it before its dialog is drawn."""
        until(lambda: ALLOW in self.screen(), "the dialog of the permission")
        press = at_most_every(2, lambda: self.terminal.press("Enter"))  # "Allow once" is selected
        until(lambda: ALLOW not in self.screen() or press(), "the end of the dialog")

    def answer_in_dialog(self, option: str) -> None:
        """Choose the first option of a question in the terminal UI, once it is drawn."""
        until(lambda: f"1. {option}" in self.screen(), "the dialog of the question")
        self.terminal.press("Enter")

    def type(self, text: str, sent: Callable[[], bool]) -> None:
        """Type a prompt, submit it, and wait until `sent` returns true: OpenCode's first turn takes 10 s to begin.

        Enter is pressed again only while the text is still in the input box after 10 s: a second Enter could submit
        the prompt twice, or answer a request.
        """
        end = "".join(text.split())[-20:]  # a long text scrolls out of the input box at the top
        self.terminal.type(text)
        until(lambda: end in self._input_box(), "the typed prompt", 60)
        pressed = 0.0

        def is_submitted() -> bool:
            nonlocal pressed
            if end not in self._input_box():
                return True
            if time.monotonic() > pressed + 10:
                self.terminal.press("Enter")
                pressed = time.monotonic()
            return False

        try:
            until(lambda: is_submitted() or sent(), "the submitted prompt", 60)
            until(sent, "the prompt's request to the model", 60)
        except AssertionError:
            print(self.screen())
            raise

    def _input_box(self) -> str:
        """Return the text of the input box without white space; the box ends with a line that begins with a corner."""
        above, corner, _ = self.screen().rpartition("╹")
        lines = above.splitlines()[:-1] if corner else []
        box = list(itertools.takewhile(lambda line: line.strip().startswith("┃"), reversed(lines)))
        return "".join("".join(reversed(box)).replace("┃", "").split())
