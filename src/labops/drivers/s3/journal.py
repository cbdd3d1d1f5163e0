"""What survives a killed transfer: a small file of lines, the first of which says what is being moved."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping


class Journal:
    """Append-only record of finished parts at `path`; with no path it remembers nothing.

    It is a convenience: where it cannot be written the transfer goes on without one. A record made for
    anything but `subject` (another size, another part length) is started anew. A torn last line, the trace of a
    kill, is ignored.
    """

    def __init__(self, path: str | None, subject: Mapping[str, str | int]) -> None:
        self._path = path
        self._subject = dict(subject)
        self._lock = threading.Lock()
        self.parts: dict[int, str] = {}
        self.abandoned = ""
        """The note of a record for the same key that was about something else: nobody goes on with that."""
        self.note = ""
        """A word of the caller's kept with the record: the upload id."""
        if path and not self._load(path):
            self.restart()

    def _load(self, path: str) -> bool:
        try:
            with open(path, "r+", encoding="utf-8") as file:
                *lines, torn = file.read().split("\n")
                if torn:  # the trace of a kill: the next line must not be glued to it
                    file.truncate(file.tell() - len(torn.encode()))
            head, *rows = [json.loads(line) for line in lines]
            if head.get("subject") != self._subject:
                if all(head["subject"].get(name) == self._subject.get(name) for name in ("key", "bucket")):
                    self.abandoned = str(head.get("note", ""))
                return False
            self.parts = {int(number): str(mark) for number, mark in rows}
            self.note = str(head.get("note", ""))
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return False
        return True

    def restart(self, note: str = "") -> None:
        """Forget every part; remember `note`."""
        self.parts, self.note = {}, note
        if self._path:
            fresh = f"{self._path}.{os.getpid()}.{threading.get_ident()}"
            try:
                with open(fresh, "w", encoding="utf-8") as file:
                    file.write(json.dumps({"subject": self._subject, "note": note}) + "\n")
                os.replace(fresh, self._path)
            except OSError:
                self._path = None

    def done(self, number: int, mark: str = "") -> None:
        """Part `number` is finished; `mark` is kept with it."""
        with self._lock:
            self.parts[number] = mark
            if self._path:
                with contextlib.suppress(OSError), open(self._path, "a", encoding="utf-8") as file:
                    file.write(json.dumps([number, mark]) + "\n")

    def forget(self) -> None:
        """The transfer is over: remove the record."""
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
