"""A real tray, and a real OpenCode with the plugin that reports to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_server import ModelServer
from opencode import OpenCode
from tray_process import Home
from waiting import until


class TrayAndOpenCode:
    """A tray, and an OpenCode with the plugin that reports to it."""

    def __init__(self, version: str, folder: Path, model: ModelServer) -> None:
        self.tray = Home(folder / "tray")
        self.tray.path.mkdir()
        self.process = self.tray.tray("--no-notify")
        # The plugin reads the port from the endpoint file beside the token.
        environment = {"OPENCODE_TRAY_TOKEN_FILE": str(self.tray.path / "data/opencode-tray/token")}
        self.opencode = OpenCode(version, folder / "home", model.port, environment)

    def close(self) -> None:
        self.opencode.kill()
        self.tray.stop()

    def session(self, session: str, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the session in the status report as soon as `wanted` is true for it."""
        found: dict[str, Any] = {}

        def look() -> bool:
            found.clear()
            found.update(self.tray.session(session))
            return bool(found and wanted(found))

        try:
            until(look, deadline=20)
        except BaseException:
            print("the last report:", self.tray.status())
            raise
        return found

    def status(self, session: str, status: str) -> dict[str, Any]:
        return self.session(session, lambda found: found["status"] == status)

    def request(self, session: str, kind: str = "permission") -> dict[str, Any]:
        """Return the pending request once it is complete: OpenCode 1.1 reports the command later."""
        waiting = "waiting_for_permission" if kind == "permission" else "waiting_for_answer"
        found = self.session(session, lambda found: found["status"] == waiting and found["requests"][0]["complete"])
        request: dict[str, Any] = found["requests"][0]
        return request

    def run(self, *words: str) -> tuple[int, str]:
        """Return the exit code and the output of a command."""
        done = self.tray.run(*words, "--port", str(self.tray.port))
        return done.returncode, (done.stdout + done.stderr).strip()

    def messages(self, session: str) -> str:
        """Return the messages of the session as JSON."""
        return json.dumps(self.opencode.call("GET", f"/session/{session}/message")).replace('\\"', '"')
