"""A real sshd on another machine: a network namespace with its own user, connected by a virtual cable. Needs root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from agent_program import required
from network import network_namespace
from waiting import until

if sys.platform != "win32":
    import pwd

SSHD = Path("/usr/sbin/sshd")
NEAR, FAR = "10.77.41.1", "10.77.41.2"
FAR_USER = "tray-far"


def call(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


class FarMachine:
    """`name` is that of the namespace. A context manager."""

    def __init__(self, folder: Path) -> None:
        required(SSHD, "sshd is not installed; run packaging/check.py as root")
        self.name = f"tray{os.getpid()}"
        self.folder = folder
        self.home = folder / "home"
        self.destination = f"{FAR_USER}@{FAR}"
        self._server: subprocess.Popen[bytes] | None = None
        self._network = ExitStack()

    def __enter__(self) -> Self:
        self._make_user()
        self._network.enter_context(network_namespace(self.name, NEAR, FAR))
        self._make_keys()
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down()
        self._network.close()

    def _make_user(self) -> None:
        self.home.mkdir(parents=True)
        try:
            pwd.getpwnam(FAR_USER)
        except KeyError:
            call("useradd", "--no-create-home", FAR_USER)
        call("usermod", "--home", self.home, "--shell", "/bin/bash", "--password", "*", FAR_USER)
        (self.home / ".bashrc").write_text("echo Welcome to the build box\n")  # many print something
        for parent in self.home.parents:
            if parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o001)  # pytest's folders are private
        shutil.chown(self.home, FAR_USER)

    def _make_keys(self) -> None:
        near = self.folder / "near"
        near.mkdir()
        for path in (self.folder / "host_key", near / "id"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
        keys = self.folder / "authorized_keys"
        keys.write_text((near / "id.pub").read_text())
        host_key = (self.folder / "host_key.pub").read_text().split()[:2]
        (near / "known_hosts").write_text(f"[{FAR}]:22,{FAR} {' '.join(host_key)}\n")
        options = (f"IdentityFile {near / 'id'}", "IdentitiesOnly yes", f"UserKnownHostsFile {near / 'known_hosts'}")
        (near / "config").write_text("\n".join((f"Host {FAR}", *options)) + "\n")
        settings = (
            f"ListenAddress {FAR}",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {keys}",
            f"AllowUsers {FAR_USER}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "StrictModes no",
            "PidFile none",
            "ClientAliveInterval 2",
            "ClientAliveCountMax 2",
        )
        (self.folder / "sshd_config").write_text("\n".join(settings) + "\n")

    @property
    def client(self) -> Path:
        """A folder with an `ssh` that uses the keys of this machine."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "ssh"
        script.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.folder / "near" / "config"} "$@"\n')
        script.chmod(0o755)
        return folder

    def inside(self, *words: str | Path) -> None:
        call("ip", "netns", "exec", self.name, *words)

    def program(self, path: Path) -> Path:
        """Return a program that runs another one there."""
        script = self.folder / "bin" / f"{path.name}-there"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {path} "$@"\n')
        script.chmod(0o755)
        return script

    # ------------------------------------------------------------------ what happens to it

    def boot(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        command = ["ip", "netns", "exec", self.name, str(SSHD), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        log = (self.folder / "sshd.log").open("ab")
        self._server = subprocess.Popen(command, stderr=log)
        log.close()
        until(self._answers, "sshd")

    def _answers(self) -> bool:
        try:
            socket.create_connection((FAR, 22), 1).close()
        except OSError:
            return False
        return True

    def shut_down(self) -> None:
        """End sshd with all its sessions, as a reboot does."""
        if self._server is not None:
            subprocess.run(["pkill", "-KILL", "-u", FAR_USER], check=False)
            self._server.kill()
            self._server.wait()
            subprocess.run(["pkill", "-KILL", "-f", str(self.folder / "sshd_config")], check=False)
            self._server = None

    def pull_cable(self) -> None:
        call("ip", "link", "set", f"{self.name}n", "down")

    def plug_cable(self) -> None:
        call("ip", "link", "set", f"{self.name}n", "up")
