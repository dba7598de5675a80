"""What looks for secrets finds them in each spelling."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest

from planted_secrets import PlantedSecrets, left_tokens

SECRET = "pl4nt+secret/of the test:1"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /bot{SECRET}/x",
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        *(base64.b64encode(f"{before}{SECRET}:more".encode()).decode() for before in ("", "a", "ab", "opencode:")),
        base64.urlsafe_b64encode(f"user:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_is_found_in_each_spelling(text: str) -> None:
    assert PlantedSecrets(secret=SECRET, other="pl4nt-other-secret").found_in(text.encode()) == {"secret"}


def test_a_token_in_another_file_than_its_own_is_found() -> None:
    with tempfile.TemporaryDirectory() as base:  # not that of pytest, in which the end of the tests looks
        for name in ("one", "two"):
            folder = Path(base) / name / "data" / "opencode-tray"
            folder.mkdir(parents=True)
            (folder / "token").write_text(f"the-token-of-tray-{name}")
            (folder / "cache.json").write_text("{}")
        assert left_tokens(Path(base)) == []
        (folder / "audit.jsonl").write_text("the-token-of-tray-one")
        assert left_tokens(Path(base)) == [str(folder / "audit.jsonl")]
