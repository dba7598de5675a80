"""What models cost, and the estimate for the tokens of a step. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from tray.core.messages import Tokens


class Price(msgspec.Struct, frozen=True):
    """The price of a model in US dollars for a million tokens."""

    input: float = 0.0
    output: float = 0.0  # with reasoning
    cache_read: float = 0.0
    cache_write: float = 0.0


Prices = Mapping[str, Price]  # by "provider/model"
_VERSION = re.compile(r"-(\d{8}|latest)$")  # at the end of the name of a model


def price_of(model: str, prices: Prices) -> Price | None:
    """Return the price of a model, or of the same model without its date; None if it is not known."""
    price = prices.get(model)
    return price if price is not None else prices.get(_VERSION.sub("", model))


def estimate(tokens: Tokens, price: Price) -> int:
    """Return the cost of tokens in micro-dollars: dollars for a million tokens are micro-dollars for one."""
    return round(
        tokens.input * price.input
        + (tokens.output + tokens.reasoning) * price.output
        + tokens.cache_read * price.cache_read
        + tokens.cache_write * price.cache_write
    )


def micro_dollars(dollars: float) -> int:
    """Return an amount of US dollars in micro-dollars."""
    return round(dollars * 1_000_000)
