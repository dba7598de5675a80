"""Rows of the tables `session` and `step`, and what a step adds to the sums."""

from __future__ import annotations

import math
from typing import NamedTuple

BUCKETS_PER_DECADE = 20  # of the durations in `latency`: each is 12 % wider than the one before


class Sums(NamedTuple):
    """What a step adds to a sum."""

    steps: int
    input: int
    output: int
    reasoning: int
    cache_read: int
    cache_write: int
    reported: int  # micro-dollars
    estimated: int  # micro-dollars
    unpriced: int  # steps whose cost is not known
    duration: int  # ms, of the steps whose begin is known

    def negated(self) -> Sums:
        """Return the sums with the opposite sign."""
        return Sums(*(-value for value in self))


class StoredSession(NamedTuple):
    """A row of the table `session`, without its uid."""

    id: int
    parent: int | None
    place: int
    kind: str
    title: str
    created: int
    deleted: int
    touched: int  # the latest time that is known of it


class StoredStep(NamedTuple):
    """A row of the table `step`, without its id."""

    session: int
    model: int
    agent: int
    day: int
    created: int
    ended: int
    input: int
    output: int
    reasoning: int
    cache_read: int
    cache_write: int
    reported: int | None
    estimated: int | None
    failed: int
    inherited: int

    @property
    def sums(self) -> Sums:
        """What the step adds to each sum."""
        tokens = self.input, self.output, self.reasoning, self.cache_read, self.cache_write
        is_unpriced = self.reported is None and self.estimated is None
        duration = max(0, self.ended - self.created) if self.created else 0
        return Sums(1, *tokens, self.reported or 0, self.estimated or 0, is_unpriced, duration)


def bucket_of(duration: int) -> int:
    """Return the bucket of a duration in ms."""
    return round(BUCKETS_PER_DECADE * math.log10(max(1, duration)))


def completed(one: StoredStep, other: StoredStep) -> StoredStep:
    """Return what two reports of a step say together. The result does not depend on their order."""
    first = min(one, other, key=lambda step: (step.ended, step.day, step.model, step.agent))
    last = one if first is other else other
    reported = _largest(one.reported, other.reported)
    estimated = _largest(one.estimated, other.estimated) if reported is None else None
    return last._replace(
        session=one.session,
        created=max(one.created, other.created),
        input=max(one.input, other.input),
        output=max(one.output, other.output),
        reasoning=max(one.reasoning, other.reasoning),
        cache_read=max(one.cache_read, other.cache_read),
        cache_write=max(one.cache_write, other.cache_write),
        reported=reported,
        estimated=estimated,
        failed=max(one.failed, other.failed),
        inherited=max(one.inherited, other.inherited),
    )


def _largest(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
