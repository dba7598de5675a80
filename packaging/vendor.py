#!/usr/bin/env python3
"""Bundle the UI library of the local page into one file, for developers only: users and CI use the file as it is.

Writes `ui.js`, `VENDORED.toml` (names, versions, licences, sources, hashes) and `LICENSES.txt` into
tray/surfaces/page/static/vendor/. Run it after a change of `PACKAGES`. Needs npm.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "tray/surfaces/page/static/vendor"
PACKAGES = {"preact": "11.2.0", "htm": "3.1.1", "@preact/signals": "2.11.4", "@preact/signals-core": "1.14.5"}
ESBUILD = "0.28.2"
ENTRY = """
import { h } from "preact";
import htm from "htm";
export { render } from "preact";
export { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal } from "@preact/signals";
export const html = htm.bind(h);
export { h };
"""


def main() -> None:
    """Install the packages in a temporary folder, bundle them, and write the three files."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("vendor.py needs npm")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = [f"{package}@{version}" for package, version in {**PACKAGES, "esbuild": ESBUILD}.items()]
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--prefix", name)
        subprocess.run([npm, "install", *options, *wanted], check=True, stdout=subprocess.DEVNULL)
        (folder / "entry.js").write_text(ENTRY, encoding="utf-8")
        bundled = folder / "ui.js"
        subprocess.run(
            [
                folder / "node_modules/.bin/esbuild", folder / "entry.js", "--bundle", "--minify", "--format=esm",
                "--target=es2022", "--legal-comments=none", "--log-level=warning", f"--outfile={bundled}",
            ],
            check=True,
        )  # fmt: skip
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundled, FOLDER / "ui.js")
        (FOLDER / "VENDORED.toml").write_text(_description(folder), encoding="utf-8")
        (FOLDER / "LICENSES.txt").write_text(_licences(folder), encoding="utf-8")
    print(f"wrote {FOLDER / 'ui.js'}: {(FOLDER / 'ui.js').stat().st_size} bytes")


def _description(folder: Path) -> str:
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    digest = hashlib.sha256((FOLDER / "ui.js").read_bytes()).hexdigest()
    lines = [
        "# What is bundled in ui.js, written by packaging/vendor.py.",
        "",
        f'file = "ui.js"\nsha256 = "{digest}"\nesbuild = "{ESBUILD}"',
    ]
    for package, version in PACKAGES.items():
        manifest = json.loads((folder / "node_modules" / package / "package.json").read_text(encoding="utf-8"))
        if locked[f"node_modules/{package}"]["version"] != version:
            sys.exit(f"{package} is not {version}")
        source = _source(manifest["repository"])
        lines += [
            "",
            "[[packages]]",
            f'name = "{package}"\nversion = "{version}"\nlicence = "{manifest["license"]}"\nsource = "{source}"',
            f'integrity = "{locked[f"node_modules/{package}"]["integrity"]}"',
        ]
    return "\n".join(lines) + "\n"


def _source(repository: str | dict[str, str]) -> str:
    url = repository if isinstance(repository, str) else repository["url"]
    name = url.removeprefix("git+").removesuffix(".git").rpartition("github.com/")[2]
    return f"https://github.com/{name or url}"


def _licences(folder: Path) -> str:
    texts = []
    for package in PACKAGES:
        (file,) = (folder / "node_modules" / package).glob("LICENSE*")
        texts.append(f"==== {package}\n\n{file.read_text(encoding='utf-8').strip()}\n")
    return "\n".join(texts)


if __name__ == "__main__":
    main()
