"""Entries of the desktop that are files."""

from __future__ import annotations

from pathlib import Path

from tray.files.reading import read_regular


class EntryFile:
    """An entry in a file of its own, which a desktop reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def place(self) -> str:
        """The location, as shown to the user."""
        return str(self.path)

    def write_text(self, text: str) -> None:
        """Write the file. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.new")
        try:
            new.write_text(text, encoding="utf-8", newline="\n")
            new.replace(self.path)
        except BaseException:  # such as a full disk
            new.unlink(missing_ok=True)
            raise

    def read_text(self) -> str | None:
        """Return the content of the file; None if there is none. Raises OSError."""
        try:
            return read_regular(self.path).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def remove(self) -> bool:
        """Remove the entry; return whether there was one."""
        try:
            self.path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True
