"""The tables of the history, and the steps from each version to the next.

`step` is the unit of usage. `daily` and `total` are sums of steps, and `latency` counts their durations; they change in
the transaction that adds the step. Money is in micro-dollars, times are in ms since the Unix epoch, days are local
dates in days since 1970-01-01, fixed when the step was stored. Steps that a fork inherited are in no sum. Steps of days
before that in `retention` were removed after they had been summed: they are not stored again.

`text` has every text that can be searched, one row for each kind and item: the title and the note of a session (no
item), prompt and reply of a turn (its id), and what a request asks for (its id). `search` is its index.
"""

from __future__ import annotations

# Values of `session.deleted`, besides 0.
IN_AGENT = 1  # the agent has deleted it
REMOVED = 2  # the user has removed its text from the history; its steps stay, and later ones are recorded
REMOVED_WITH_STEPS = 3  # the same with its steps; later ones are not recorded

_SUMS = """
    steps INTEGER NOT NULL DEFAULT 0, input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0, cache_read INTEGER NOT NULL DEFAULT 0,
    cache_write INTEGER NOT NULL DEFAULT 0, reported INTEGER NOT NULL DEFAULT 0,
    estimated INTEGER NOT NULL DEFAULT 0, unpriced INTEGER NOT NULL DEFAULT 0,
    duration INTEGER NOT NULL DEFAULT 0"""  # `unpriced` is a number of steps, `duration` the time that models worked

MIGRATIONS = (
    f"""
    CREATE TABLE place (id INTEGER PRIMARY KEY, host TEXT NOT NULL, directory TEXT NOT NULL,
        UNIQUE (host, directory)) STRICT;
    CREATE TABLE model (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE agent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE session (
        id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE,
        parent INTEGER REFERENCES session ON DELETE SET NULL,
        place INTEGER NOT NULL REFERENCES place, kind TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',
        created INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,
        touched INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE INDEX session_touched ON session (touched) WHERE parent IS NULL;
    CREATE INDEX session_parent ON session (parent) WHERE parent IS NOT NULL;
    CREATE INDEX session_place ON session (place);
    CREATE TABLE step (
        id TEXT PRIMARY KEY, session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        model INTEGER NOT NULL REFERENCES model, agent INTEGER NOT NULL REFERENCES agent,
        day INTEGER NOT NULL, created INTEGER NOT NULL, ended INTEGER NOT NULL, input INTEGER NOT NULL,
        output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL, reported INTEGER, estimated INTEGER, failed INTEGER NOT NULL,
        inherited INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX step_session ON step (session, ended, model, day, inherited);
    CREATE INDEX step_day ON step (day);
    CREATE TABLE daily (
        day INTEGER NOT NULL, place INTEGER NOT NULL REFERENCES place, kind TEXT NOT NULL,
        model INTEGER NOT NULL REFERENCES model, agent INTEGER NOT NULL REFERENCES agent, sub INTEGER NOT NULL,
        {_SUMS}, PRIMARY KEY (day, place, kind, model, agent, sub)) STRICT, WITHOUT ROWID;
    CREATE TABLE total (session INTEGER PRIMARY KEY REFERENCES session ON DELETE CASCADE, {_SUMS}) STRICT;
    CREATE TABLE latency (
        day INTEGER NOT NULL, model INTEGER NOT NULL REFERENCES model, bucket INTEGER NOT NULL, steps INTEGER NOT NULL,
        PRIMARY KEY (day, model, bucket)) STRICT, WITHOUT ROWID;
    CREATE TABLE turn (
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, id TEXT NOT NULL, started INTEGER NOT NULL,
        ended INTEGER NOT NULL, day INTEGER NOT NULL, outcome TEXT NOT NULL,
        PRIMARY KEY (session, id)) STRICT, WITHOUT ROWID;
    CREATE INDEX turn_day ON turn (day, started, outcome);
    CREATE INDEX turn_session ON turn (session, started, ended);
    CREATE TABLE request (
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, id TEXT NOT NULL, kind TEXT NOT NULL,
        title TEXT NOT NULL, asked INTEGER NOT NULL, closed INTEGER NOT NULL,
        verdict TEXT NOT NULL, surface TEXT NOT NULL, PRIMARY KEY (session, id)) STRICT, WITHOUT ROWID;
    CREATE INDEX request_session ON request (session, asked, closed, verdict, surface);
    CREATE TABLE edit (
        id TEXT PRIMARY KEY, session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, ended INTEGER NOT NULL,
        day INTEGER NOT NULL, extension TEXT NOT NULL, added INTEGER NOT NULL, removed INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    CREATE INDEX edit_day ON edit (day, session, extension, added, removed);
    CREATE TABLE tag (session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, name TEXT NOT NULL,
        PRIMARY KEY (session, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE text (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, kind TEXT NOT NULL,
        item TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (session, kind, item)) STRICT;
    CREATE VIRTUAL TABLE search USING fts5 (text, content='text', content_rowid='id', tokenize='trigram');
    CREATE TABLE budget_notice (budget TEXT NOT NULL, start INTEGER NOT NULL, threshold INTEGER NOT NULL,
        PRIMARY KEY (budget, start, threshold)) STRICT, WITHOUT ROWID;
    CREATE TABLE retention (day INTEGER NOT NULL) STRICT;
    INSERT INTO retention VALUES (0);
    CREATE TABLE import (source TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    """,
)  # fmt: skip
VERSION = len(MIGRATIONS)  # `PRAGMA user_version` of a current database
