"""`opencode-tray phone`: the QR code, the number, and the decision in a terminal; and what the network cannot do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tray.system.lan_address import lan_address
from tray_process import Home

ADDRESS = re.compile(r"^(http://\S+/)#c=(\S+)$", re.MULTILINE)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    if not lan_address():
        pytest.skip("this machine is in no local network")
    home = Home(tmp_path)
    settings = home.settings
    settings.parent.mkdir(parents=True)
    settings.write_text("[page]\nlan = true\n", encoding="utf-8")
    home.tray("--no-notify")
    yield home
    home.stop()


def post(page: str, path: str, body: dict[str, str], **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310
        f"{page}{path}", json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class PhoneCommand:
    """The running command."""

    def __init__(self, home: Home) -> None:
        words = [sys.executable, "-u", "-m", "tray", "phone", "--port", str(home.port)]
        self.output = ""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(
            words, env=home.environment, cwd=home.path, text=True, encoding="utf-8", **pipes
        )

    def read_until(self, text: str) -> str:
        assert self._process.stdout is not None
        while text not in self.output:
            letter = self._process.stdout.read(1)
            assert letter, self.output
            self.output += letter
        return self.output

    def answer(self, reply: str) -> tuple[int, str]:
        rest, _ = self._process.communicate(f"{reply}\n", 20)
        self.output += rest
        return self._process.returncode, self.output


@pytest.mark.parametrize(("reply", "scope"), [("x\na", "answer"), ("w", "watch")])
def test_a_phone_is_paired_with_the_number_in_the_terminal(home: Home, reply: str, scope: str) -> None:
    command = PhoneCommand(home)
    found = ADDRESS.search(command.read_until("Ctrl-C ends this"))
    assert found is not None
    assert "█" in command.output
    page, code = found.groups()
    assert post(page, "api/pair", {"code": code[:-1] + "_"})[0] == 401
    status, begun = post(page, "api/pair", {"code": code, "name": "My phone"})
    assert status == 202
    assert begun["number"] in command.read_until("[n]o? ")
    assert "My phone at " in command.output
    assert post(page, "api/pair", {"code": code, "name": "Another"})[0] == 401
    exit_code, said = command.answer(reply)
    assert (exit_code, said.rstrip().endswith(f"Paired My phone: it may {scope}")) == (0, True)
    body = {"pending": begun["pending"], "secret": begun["secret"]}
    status, device = post(page, "api/pair/wait", body)
    assert (status, device["scope"], device["name"]) == (200, scope, "My phone")
    assert post(page, "api/pair/wait", body)[0] == 401
    assert "My phone" in home.run("devices", "--port", str(home.port)).stdout


def test_a_refused_phone_gets_no_token(home: Home) -> None:
    command = PhoneCommand(home)
    found = ADDRESS.search(command.read_until("Ctrl-C ends this"))
    assert found is not None
    page, code = found.groups()
    _, begun = post(page, "api/pair", {"code": code, "name": "My phone"})
    command.read_until("[n]o? ")
    assert command.answer("n")[1].rstrip().endswith("Refused My phone")
    status, answer = post(page, "api/pair/wait", {"pending": begun["pending"], "secret": begun["secret"]})
    assert (status, answer["error"]) == (401, "refused at the desk")
    assert home.run("devices", "--port", str(home.port)).stdout == "0 devices are paired\n"


def test_from_the_network_only_the_own_address_is_taken_and_the_plugin_port_is_closed(home: Home) -> None:
    page = json.loads(home.run("phone", "--json", "--port", str(home.port)).stdout)["result"]["address"].partition("#")[
        0
    ]
    for host in ("evil.example", f"evil.example:{page.split(':')[2].rstrip('/')}", "192.0.2.1:80"):
        assert post(page, "api/pair", {"code": "x"}, Host=host)[0] == 421
    foreign = {"Origin": "http://evil.example", "User-Agent": "Mozilla/5.0"}
    assert post(page, "api/pair", {"code": "x"}, **foreign)[0] == 403
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{lan_address()}:{home.port}/", timeout=5)


def test_without_the_setting_the_command_says_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.tray("--no-notify")
    try:
        done = home.run("phone", "--port", str(home.port))
        assert (done.returncode, "set page.lan to true" in done.stderr) == (1, True)
    finally:
        home.stop()
