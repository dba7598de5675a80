"""Linked worktrees are recognised from git's own files."""

import shutil
import subprocess

import pytest

from tray.system.git import repository_of


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_linked_worktree_has_a_repository_in_every_layout(tmp_path):
    def git(*words, folder=tmp_path):
        name = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)

    shop = tmp_path / "shop"
    git("init", "-q", str(shop))
    git("commit", "-q", "--allow-empty", "-m", "one", folder=shop)
    git("worktree", "add", "-q", str(tmp_path / "fix"), folder=shop)
    git("clone", "-q", "--bare", str(shop), str(tmp_path / "docs" / ".bare"))
    git("worktree", "add", "-q", "-b", "new", str(tmp_path / "docs" / "main"), folder=tmp_path / "docs" / ".bare")
    git("clone", "-q", "--bare", str(shop), str(tmp_path / "infra.git"))
    git("worktree", "add", "-q", "-b", "new", str(tmp_path / "other"), folder=tmp_path / "infra.git")
    assert repository_of(str(tmp_path / "fix")) == str(shop)
    assert repository_of(str(tmp_path / "docs" / "main")) == str(tmp_path / "docs")
    assert repository_of(str(tmp_path / "other")) == str(tmp_path / "infra")
    assert repository_of(str(shop)) == ""


@pytest.mark.parametrize("text", ["", "gitdir: ../.git/modules/lib", "x" * 5000, "gitdir: \0/worktrees/a", b"\xff\xfe"])
def test_other_folders_are_no_linked_worktree(tmp_path, text):
    (tmp_path / ".git").write_bytes(text.encode() if isinstance(text, str) else text)
    assert repository_of(str(tmp_path)) in ("", "\0")
    assert repository_of("") == ""
    assert repository_of(str(tmp_path / "gone")) == ""
