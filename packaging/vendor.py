#!/usr/bin/env python3
"""Bundle the libraries of the local page, for developers only: users and CI use the files as they are.

Writes `ui.js`, `hmac.js`, `VENDORED.toml` (names, versions, licences, sources, hashes) and `LICENSES.txt` into
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
PACKAGES = {
    "preact": "11.2.0",
    "htm": "3.1.1",
    "@preact/signals": "2.11.4",
    "@preact/signals-core": "1.14.5",
    "@noble/hashes": "2.4.0",
}
ESBUILD = "0.28.2"
ENTRIES = {
    "ui.js": """
import { h } from "preact";
import htm from "htm";
export { render } from "preact";
export { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal } from "@preact/signals";
export const html = htm.bind(h);
export { h };
""",
    "hmac.js": """
export { hmac } from "@noble/hashes/hmac.js";
export { sha256 } from "@noble/hashes/sha2.js";
""",
}


def main() -> None:
    """Install the packages in a temporary folder, bundle them, and write the files."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("vendor.py needs npm")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = [f"{package}@{version}" for package, version in {**PACKAGES, "esbuild": ESBUILD}.items()]
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--prefix", name)
        subprocess.run([npm, "install", *options, *wanted], check=True, stdout=subprocess.DEVNULL)
        FOLDER.mkdir(parents=True, exist_ok=True)
        for bundle, entry in ENTRIES.items():
            (folder / f"entry-{bundle}").write_text(entry, encoding="utf-8")
            subprocess.run(
                [
                    folder / "node_modules/.bin/esbuild", folder / f"entry-{bundle}", "--bundle", "--minify",
                    "--format=esm", "--target=es2022", "--legal-comments=none", "--log-level=warning",
                    "--allow-overwrite", f"--outfile={FOLDER / bundle}",
                ],
                check=True,
            )  # fmt: skip
        (FOLDER / "VENDORED.toml").write_text(_description(folder), encoding="utf-8")
        (FOLDER / "LICENSES.txt").write_text(_licences(folder), encoding="utf-8")
    for bundle in ENTRIES:
        print(f"wrote {FOLDER / bundle}: {(FOLDER / bundle).stat().st_size} bytes")


def _description(folder: Path) -> str:
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    digests = {bundle: hashlib.sha256((FOLDER / bundle).read_bytes()).hexdigest() for bundle in ENTRIES}
    lines = [
        "# What is bundled in these files, written by packaging/vendor.py.",
        "",
        f'esbuild = "{ESBUILD}"',
        "",
        "[sha256]",
        *(f'"{bundle}" = "{digest}"' for bundle, digest in digests.items()),
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
