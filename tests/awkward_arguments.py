"""Arguments that a shell, a desktop entry or a unit of systemd could change, and a program that records them."""

from __future__ import annotations

RECORD = "import json, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))"
AWKWARD = [
    "plain", "two words", 'a "quote"', "$HOME", "${HOME}", "`id`", "back\\slash", "100%", "%u", "ends\\", "é ⊘", "a'b",
    ";",
]  # fmt: skip
