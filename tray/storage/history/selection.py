"""The part of the history that a question is about: local days, and a project, model, program or host."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

EPOCH = date(1970, 1, 1).toordinal()
DAY = 86_400_000  # ms

FIRST_DAY, LAST_DAY = 3, 370_000  # in the year 2983; Windows knows no local times before 1970 and after 3000

_OF_PLACE = {"project": "directory", "host": "host"}


class Selection(msgspec.Struct, frozen=True):
    """Local days (days since 1970-01-01) and filters. None selects everything, "" what is not known."""

    first: int
    last: int
    project: str | None = None  # a directory
    model: str | None = None
    program: str | None = None
    host: str | None = None

    @property
    def parameters(self) -> dict[str, int | str | None]:
        """The named parameters of the conditions. `begin` and `end` are in ms since the Unix epoch."""
        return {**msgspec.structs.asdict(self), "begin": midnight(self.first), "end": midnight(self.last + 1)}

    @property
    def is_of_place(self) -> bool:
        """Whether it is about a project, a program or a host."""
        return self.project is not None or self.program is not None or self.host is not None

    @property
    def daily(self) -> str:
        """The condition on rows of `daily`."""
        model = " AND daily.model = (SELECT id FROM model WHERE name = :model)" if self.model is not None else ""
        return f"daily.day BETWEEN :first AND :last AND {self.of('daily')}{model}"

    @property
    def turns(self) -> str:
        """The table `turn` with the condition on its days, joined with its sessions."""
        join = "JOIN session ON session.id = turn.session" if self.is_of_place else ""
        return f"turn {join} WHERE turn.day BETWEEN :first AND :last AND {self.of('session')}"

    @property
    def steps(self) -> str:
        """The condition on rows of `step`, joined with sessions and models; without the copies in forks."""
        model = " AND model.name = :model" if self.model is not None else ""
        return f"NOT step.inherited AND step.day BETWEEN :first AND :last AND {self.of('session')}{model}"

    @property
    def active(self) -> str:
        """A query of id and parent of the sessions that have steps."""
        model = "AND step.model = (SELECT id FROM model WHERE name = :model)" if self.model is not None else ""
        return f"""SELECT session.id, session.parent FROM session WHERE {self.of("session")} AND EXISTS (
            SELECT 1 FROM step WHERE step.session = session.id AND NOT step.inherited {model}
            AND step.ended BETWEEN :begin - {DAY} AND :end + {DAY} AND +step.day BETWEEN :first AND :last)"""

    def of(self, table: str) -> str:
        """Return the condition on the place and the program of a table's rows."""
        places = [f"{column} = :{name}" for name, column in _OF_PLACE.items() if getattr(self, name) is not None]
        conditions = [f"{table}.place IN (SELECT id FROM place WHERE {' AND '.join(places)})"] if places else []
        if self.program is not None:
            conditions.append(f"{table}.kind = :program")
        return " AND ".join(conditions) or "1"


def midnight(day: int) -> int:
    """Return the time (ms since the Unix epoch) at which a local day begins; it is between FIRST_DAY and LAST_DAY."""
    return int(datetime.fromordinal(EPOCH + min(max(day, FIRST_DAY), LAST_DAY)).timestamp() * 1000)
