"""The prices of models, as OpenCode keeps them."""

from __future__ import annotations

import json
from pathlib import Path

from tray.core.messages import Tokens
from tray.core.prices import Price, estimate, price_of
from tray.opencode.model_prices import ModelPrices

OPUS = {"cost": {"input": 5, "output": 25, "cache_read": 0.5, "cache_write": 6.25}}
MODELS = {
    "anthropic": {"models": {"claude-opus": OPUS, "plain": {"cost": {"input": 2, "output": 4}}, "none": {}}},
    "broken": {
        "models": {
            "bad": {"cost": "free"},
            "huge": {"cost": {"input": 1e308}},
            "negative": {"cost": {"output": -1}},
            "free": {"cost": {"input": 0, "output": 0}},
        }
    },
}


def test_prices_are_read_once_for_each_change(tmp_path: Path) -> None:
    path = tmp_path / "opencode" / "models.json"
    prices = ModelPrices({"XDG_CACHE_HOME": str(tmp_path)}, tmp_path)
    assert prices.read() is None
    path.parent.mkdir()
    path.write_text(json.dumps(MODELS), encoding="utf-8")
    assert prices.read() == {
        "anthropic/claude-opus": Price(5, 25, 0.5, 6.25),
        "anthropic/plain": Price(2, 4, 2, 2),
        "broken/free": Price(),
    }
    assert prices.read() is None
    path.write_text("no json", encoding="utf-8")
    assert prices.read() == {}


def test_a_dated_name_has_the_price_of_its_model() -> None:
    prices = {"anthropic/claude-opus": Price(5, 25), "anthropic/claude-opus-20250101": Price(1, 2)}
    assert price_of("anthropic/claude-opus-20250101", prices) == Price(1, 2)
    assert price_of("anthropic/claude-opus-20260101", prices) == Price(5, 25)
    assert price_of("anthropic/claude-opus-latest", prices) == Price(5, 25)
    assert price_of("openai/claude-opus", prices) is None


def test_an_estimate_is_exact_to_the_micro_dollar() -> None:
    assert estimate(Tokens(1_000, 200, 50, 40_000, 3_000), Price(5, 25, 0.5, 6.25)) == 5_000 + 6_250 + 20_000 + 18_750
