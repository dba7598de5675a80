"""A stand-in for the program `tailscale`, which keeps its serve configuration in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NAME = "desk.tail1234.ts.net"
STATUS = {"BackendState": "Running", "Self": {"DNSName": f"{NAME}."}, "CertDomains": [NAME], "Peer": None}

_PROGRAM = """#!{python} -I
import json, os, pathlib, sys

folder, words = pathlib.Path({folder!r}), sys.argv[1:]
config_file, name = folder / "serve.json", {name!r} + ":443"

if os.environ.get("TAILSCALE_BE_CLI") != "1":
    sys.exit("The Tailscale GUI failed to start")

def read(name):
    return json.loads((folder / name).read_text())

with open(folder / "calls.jsonl", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[0] == "status":
    print("# Health check: some warning", file=sys.stderr)
    print((folder / "status.json").read_text())
    sys.exit(0)
if words == ["serve", "status", "--json"]:
    print(config_file.read_text())
    sys.exit(0)
if (folder / "refusal").is_file() and (folder / "refusal").read_text():
    print((folder / "refusal").read_text(), file=sys.stderr)
    sys.exit(1)
config = read("serve.json")
if words == ["serve", "--https=443", "off"]:
    if config.get("Web", {{}}).pop(name, None) is None:
        print("error: failed to remove web serve: handler does not exist", file=sys.stderr)
        sys.exit(1)
    config["TCP"].pop("443")
elif words[:3] == ["serve", "--bg", "--https=443"] and len(words) == 4:
    config.setdefault("TCP", {{}})["443"] = {{"HTTPS": True}}
    config.setdefault("Web", {{}})[name] = {{"Handlers": {{"/": {{"Proxy": words[3]}}}}}}
    print("Available within your tailnet:")
else:
    print("unknown command", file=sys.stderr)
    sys.exit(2)
new = folder / "serve.new"
new.write_text(json.dumps(config))
new.replace(config_file)
"""


class FakeTailscale:
    """A folder with the program, to put first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        program = folder / "tailscale"
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder), name=NAME), encoding="utf-8")
        program.chmod(0o755)
        self.set_status(STATUS)
        self.config = {}

    def set_status(self, status: dict[str, Any]) -> None:
        """Set what `status --json` prints."""
        (self.folder / "status.json").write_text(json.dumps(status), encoding="utf-8")

    @property
    def config(self) -> dict[str, Any]:
        """What `serve status --json` prints."""
        found: dict[str, Any] = json.loads((self.folder / "serve.json").read_text(encoding="utf-8"))
        return found

    @config.setter
    def config(self, config: dict[str, Any]) -> None:
        (self.folder / "serve.json").write_text(json.dumps(config), encoding="utf-8")

    def refuse(self, reason: str) -> None:
        """Let each change fail with this reason; "": let it succeed."""
        (self.folder / "refusal").write_text(reason, encoding="utf-8")

    @property
    def changes(self) -> list[list[str]]:
        """The arguments of all calls so far that change something."""
        file = self.folder / "calls.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        calls: list[list[str]] = [json.loads(line) for line in lines]
        return [words for words in calls if "--json" not in words]


def entry(target: str) -> dict[str, Any]:
    """Return the configuration with one entry for port 443."""
    web = {f"{NAME}:443": {"Handlers": {"/": {"Proxy": target}}}}
    return {"TCP": {"443": {"HTTPS": True}}, "Web": web}
