"""The prices of models, which OpenCode downloads from models.dev and keeps in its cache folder. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import astuple

from tray.core.lenient_json import decode_or
from tray.core.prices import Price
from tray.files.reading import read_regular

MAX_PRICE = 1e6  # US dollars for a million tokens; a larger or negative price is not known
MAX_SIZE = 20_000_000  # bytes of the file; a larger one is not read


class _Cost(msgspec.Struct):
    """US dollars for a million tokens."""

    input: float = 0
    output: float = 0
    cache_read: float | None = None
    cache_write: float | None = None


_UNKNOWN = _Cost()


class _Model(msgspec.Struct):
    cost: msgspec.Raw = msgspec.Raw(b"")


class _Provider(msgspec.Struct):
    models: dict[str, _Model] = {}


class ModelPrices:
    """Reads the file when it has changed."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        cache = environment.get("XDG_CACHE_HOME")
        self._path = (Path(cache) if cache else home / ".cache") / "opencode" / "models.json"
        self._version = (-1, -1)  # time of the change in ns, and size

    def read(self) -> dict[str, Price] | None:
        """Return the prices by "provider/model"; None if nothing has changed since the last call. Blocks."""
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size)
            if version == self._version:
                return None
            providers = decode_or(read_regular(self._path, MAX_SIZE), dict[str, _Provider], {})
        except OSError:
            return None
        self._version = version
        return dict(_prices(providers))


def _prices(providers: Mapping[str, _Provider]) -> Iterator[tuple[str, Price]]:
    for provider, known in providers.items():
        for name, model in known.models.items():
            cost = decode_or(bytes(model.cost), _Cost, _UNKNOWN)
            price = _price(cost)
            if cost is not _UNKNOWN and all(0 <= dollars <= MAX_PRICE for dollars in astuple(price)):
                yield f"{provider}/{name}", price


def _price(cost: _Cost) -> Price:
    """Return the price. Where none is named for the cache, tokens cost there what other input costs."""
    read = cost.input if cost.cache_read is None else cost.cache_read
    return Price(cost.input, cost.output, read, cost.input if cost.cache_write is None else cost.cache_write)
