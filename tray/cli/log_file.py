"""The log file of the running tray."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
from contextlib import suppress
from io import TextIOWrapper
from itertools import pairwise
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path

from tray.cli.exit_codes import FAILED
from tray.files.reading import open_to_append

log = logging.getLogger(__name__)

MAX_WAITING = 10_000  # records that are kept while they cannot be written
END_TIMEOUT = 1.0  # s to write the last ones
LOG_SIZE, LOG_BACKUPS = 1_000_000, 3  # bytes of a log file; number of rotated files that are kept


class LogFile(RotatingFileHandler):
    """A rotating log that goes on in the same file while another process has it open: Windows does not rename it then.

    The base class would lose every line until the file is free, and remove an old file with each of them.
    """

    def open(self) -> None:
        """Open the file. Raises OSError."""
        self.stream = self._open()

    def _open(self) -> TextIOWrapper:
        """Open the file, which only the owner can read, without waiting for a reader if it is a pipe."""
        path = Path(self.baseFilename)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.fdopen(open_to_append(path), "a", encoding=self.encoding, errors=self.errors)

    def doRollover(self) -> None:  # noqa: N802  # the name of the base class
        """Rotate, if the file can be renamed now. An attempt that was interrupted is completed."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None  # as in the base class; the next line opens it again
        rotating = Path(f"{self.baseFilename}.rotating")
        older = [Path(f"{self.baseFilename}.{number}") for number in range(1, self.backupCount + 1)]
        with suppress(OSError):
            if not rotating.exists():
                Path(self.baseFilename).rename(rotating)
            for file, next_file in reversed(list(pairwise(older))):
                if file.exists():
                    file.replace(next_file)
            rotating.replace(older[0])


class LogThread:
    """Writes records on a thread of its own: a slow disk, or a terminal that was stopped, delays nothing else."""

    def __init__(self, writer: logging.Handler) -> None:
        self._writer = writer
        self._records: queue.Queue[logging.LogRecord | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self.handler = QueueHandler(self._records)  # a record for which there is no space is dropped
        self.handler.setLevel(writer.level)

    def start(self) -> None:
        """Write records from now on, until the program ends."""
        self._thread.start()
        atexit.register(self.end)

    def _run(self) -> None:
        while (record := self._records.get()) is not None:
            self._writer.handle(record)

    def end(self, exit_code: int = FAILED) -> None:
        """Write the last records. If they are not taken within END_TIMEOUT, end the process with this code.

        Python would wait for them, and a terminal that was stopped may take no output for ever.
        """
        with suppress(queue.Full):
            self._records.put_nowait(None)
        self._thread.join(END_TIMEOUT)
        if self._thread.is_alive():
            os._exit(exit_code)


def log_to(path: Path, *, debug: bool) -> tuple[LogThread, LogThread]:
    """Log to a rotating file, and warnings to stderr; return what writes them.

    Neither ever has message texts or the token.
    """
    logging.raiseExceptions = False  # a full disk loses lines instead of printing tracebacks
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for noisy in ("watchdog", "asyncio", "aiohttp", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)  # Notifications logs its errors itself
    warn = logging.StreamHandler()
    warn.setLevel(logging.DEBUG if debug else logging.WARNING)
    warn.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    file = LogFile(path, maxBytes=LOG_SIZE, backupCount=LOG_BACKUPS, encoding="utf-8", delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    problem: OSError | None = None
    try:
        file.open()
    except OSError as error:
        problem = error
    threads = LogThread(warn), LogThread(file)  # one for each: the file goes on while the terminal is stopped
    for thread in threads:  # a file that cannot be opened now is opened once that is possible
        root.addHandler(thread.handler)
        thread.start()
    if problem:
        log.warning("cannot write the log file: %s", problem)
    return threads
