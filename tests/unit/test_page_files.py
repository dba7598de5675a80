"""The page's files are complete, small, self-contained, and the vendored libraries are those that are described."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib

import pytest

from tray.core.sessions import Status
from tray.surfaces.icon import _INKS
from tray.surfaces.page.static_files import FOLDER, files

TEXTS = {path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.*s"))}
OWN = {name: text for name, text in TEXTS.items() if not name.startswith("vendor/")}
INDEX = (FOLDER / "index.html").read_text(encoding="utf-8")
NAMESPACES = {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
LATER = "/app/vendor/hmac.js"  # loaded by pages without https only
LARGEST = 60_000  # bytes of all scripts and styles that the page loads, compressed
LARGEST_WORKER = 2_000
LINES = 250  # of a module
VARIABLES = {  # of app.css: the state that has this colour
    "waiting": Status.WAITING_FOR_PERMISSION,
    "failed": Status.ERROR,
    "retrying": Status.RETRY,
    "working": Status.BUSY,
    "finished": Status.COMPLETED,
    "gone": Status.DISCONNECTED,
}


def test_the_vendored_files_are_the_described_ones() -> None:
    described = tomllib.loads((FOLDER / "vendor/VENDORED.toml").read_text(encoding="utf-8"))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("vendor/*.js")}
    assert found == described["sha256"], "run: python packaging/vendor.py"
    licences = (FOLDER / "vendor/LICENSES.txt").read_text(encoding="utf-8")
    for package in described["packages"]:
        assert {"name", "version", "licence", "source", "integrity"} <= set(package)
        assert f"==== {package['name']}\n" in licences


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_loads_nothing_from_elsewhere_and_evaluates_no_text(name: str) -> None:
    text = TEXTS[name]
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= NAMESPACES
    assert not re.search(r"\beval\(|new Function|innerHTML\s*=[^=]|document\.write|@import|javascript:", text) or (
        name == "vendor/ui.js" and "new Function" not in text and "eval(" not in text
    )


def test_no_script_of_our_own_sets_html() -> None:
    assert not [name for name, text in OWN.items() if "innerHTML" in text or "InnerHTML" in text]


def test_the_document_has_no_inline_script_style_or_handler() -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", INDEX)
    assert "<noscript>" in INDEX


def test_every_module_but_the_worker_and_what_few_need_is_served_and_loaded_at_once() -> None:
    paths = set(files())
    assert {"/", "/favicon.svg", "/icon.png", "/app/app.css", "/app/main.js", "/app/vendor/ui.js", LATER} <= paths
    modules = {f"/app/{name}" for name in TEXTS if name.endswith(".js") and name != "sw.js"}
    assert modules <= paths
    assert set(re.findall(r'(?:href|src)="(/app/[^"]+\.js)"', INDEX)) == modules - {LATER}
    imported = {path for text in OWN.values() for path in re.findall(r'from "([^"]+)"', text)}
    assert imported <= modules


def test_scripts_and_styles_are_small() -> None:
    sizes = {path: len(file.compressed) for path, file in files().items() if path.endswith((".js", ".css"))}
    worker, _ = sizes.pop("/sw.js"), sizes.pop(LATER)  # the page does not wait for them
    assert sum(sizes.values()) <= LARGEST
    assert worker <= LARGEST_WORKER


def test_the_worker_keeps_all_files_that_the_page_loads() -> None:
    script = files()["/sw.js"].content.decode()
    found = re.match(r'const VERSION = "\w{16}", FILES = (\[.*?\]);', script)
    assert found is not None
    assert set(json.loads(found[1])) == set(files()) - {"/sw.js"}


def test_the_browser_gets_the_lines_of_a_module_without_comments_and_indentation() -> None:
    for path, file in files().items():
        if path.endswith(".js") and path != "/sw.js":
            source = (FOLDER / path.removeprefix("/app/")).read_text(encoding="utf-8").splitlines()
            kept = [line.lstrip(" ") for line in source if not line.lstrip(" ").startswith(("//", "/**", "*"))]
            without = [re.split(r"(?<=[;,{(]) // ", line)[0] for line in kept if line]
            assert file.content.decode().splitlines() == without, path


def test_modules_are_short() -> None:
    assert {name for name, text in OWN.items() if name.endswith(".js") and len(text.splitlines()) > LINES} == set()


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_colours_of_the_states_are_those_of_the_icon(variable: str) -> None:
    red, green, blue, _ = _INKS[VARIABLES[variable]].body
    assert f"--{variable}: rgb({red} {green} {blue});" in TEXTS["app.css"]


def test_every_state_has_a_mark() -> None:
    marks = re.search(r"const SHAPES = \{(.*?)\n\};", TEXTS["icons.js"], re.DOTALL)
    assert marks is not None
    assert {status.value for status in Status} == set(re.findall(r"^  (\w+):", marks[1], re.MULTILINE))
