"""A program that sends one message with Apprise, and ends.

It reads a JSON object from its input: the `url`, which is a secret and therefore no argument, and `title`, `body` and
`kind`. Without a body it sends nothing. It prints the name of the service, or why it failed.
"""

from __future__ import annotations

import json
import logging
import re
import sys

FAILED, UNKNOWN = 3, 4  # exit codes: the service did not take the message; the address is none of Apprise
MIN_SECRET = 6  # characters of a part of the address that is not shown in a message


def main() -> int:
    """Send the message of the standard input; return an exit code."""
    import apprise  # noqa: PLC0415  # only this program loads it

    given = json.loads(sys.stdin.buffer.read())
    reasons: list[str] = []
    logger = logging.getLogger("apprise")
    logger.addHandler(_Collector(reasons))
    logger.propagate = False
    sender = apprise.Apprise()
    if not sender.add(given["url"]):
        sys.stdout.write("Apprise does not know this kind of address, or a part of it is missing\n")
        return UNKNOWN
    if given.get("body") and not sender.notify(given["body"], title=given["title"], notify_type=given["kind"]):
        sys.stdout.write(_without_secrets(reasons[-1] if reasons else "the service did not take it", given["url"]))
        return FAILED
    sys.stdout.write(str(next(iter(sender)).service_name))
    return 0


class _Collector(logging.Handler):
    """Keeps the warnings."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(" ".join(record.getMessage().split()))


def _without_secrets(text: str, url: str) -> str:
    for part in re.split(r"[/:@?&=,]+", url):
        if len(part) >= MIN_SECRET:
            text = text.replace(part, "…")
    return text


if __name__ == "__main__":
    sys.exit(main())
