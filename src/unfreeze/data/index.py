"""What earlier scans found in each file, so that the next one reads only what changed.

A table in one SQLite file, a row for each file by its absolute path. A row counts while its seal holds: a hash of the
file's size, inode and times of last change, of the decoder, and of the row itself. Every chunk of a scan is committed, so
that a killed one goes on where it stopped, and two may write at once. The index saves time and nothing else: whatever goes
wrong with it, the scan goes on without. Rows of files that are gone leave like all that no scan asked for in 90 days.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from unfreeze.data.look import Look
from unfreeze.data.picture import DECODER, Examined

FILE_NAME = "scans.sqlite"
# Counts up when the table changes, or what is said of the same file: an index of another version is replaced.
_VERSION = 3
_TABLE = (
    "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, seal BLOB, facts TEXT, day INTEGER) WITHOUT ROWID;"
    f"PRAGMA user_version = {_VERSION}"
)
# A file that is written twice within one tick of its file system's clock may look the same after both. The coarsest clock,
# FAT's, ticks every 2 seconds: what changed since then isn't trusted. git calls such files racy.
_TICK_NS = 2_000_000_000
_KEPT_DAYS = 90
# Rows that are used get a new day when theirs is so old, not in each scan.
_NEW_DAY_AFTER = 30
_NS_PER_DAY = 86_400 * 10**9
# How long one scan waits for another to write a chunk.
_PATIENCE_S = 10.0
# Of SQLite: something is wrong with the tables, the pages, or the file is none of its.
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_Row = tuple[bytes, bytes, str, int]
_Result = TypeVar("_Result")


class Facts(NamedTuple):
    """What is in a file.

    Attributes:
        content: BLAKE2b hash of its bytes, in hexadecimal; empty where they couldn't be read. That may be otherwise the next
            time, so it isn't remembered.
        picture: what it is, or None in what is no readable picture.
        look: how it looks, or None where nobody asked.
        kind, reason: why it can't be used, for programs and for people, or empty.
    """

    content: str
    picture: Examined | None = None
    look: Look | None = None
    kind: str = ""
    reason: str = ""

    def as_text(self) -> str:
        """For the index."""
        picture = self.picture and (*self.picture[:-1], base64.b64encode(self.picture.thumbnail).decode())
        return json.dumps([self.content, picture, self.look, self.kind, self.reason])

    @classmethod
    def from_text(cls, text: str) -> Facts:
        """What `as_text` said."""
        content, picture, look, kind, reason = json.loads(text)
        if picture is not None:
            *values, thumbnail = map(_shared, picture)
            picture = Examined._make([*values, base64.b64decode(thumbnail)])
        return cls(content, picture, None if look is None else Look(*look), kind, reason)


def _shared(value: Any) -> Any:
    """The same object for each of a million equal words."""
    return sys.intern(value) if isinstance(value, str) else value


class Index:
    """The index in a folder, or an empty one that remembers nothing. To be used by one thread and closed by `with`."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is made if it isn't there; None gives the empty index."""
        self._path = Path(os.devnull) if folder is None else folder / FILE_NAME
        self._connection = None if folder is None else _open(self._path)
        self._today = time.time_ns() // _NS_PER_DAY
        self._has_written = False

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        if self._has_written:  # looking for old rows takes a while in a large index
            self._run("DELETE FROM files WHERE day <= ?", [(self._today - _KEPT_DAYS,)])
        self._close()

    def stamps(self, paths: Sequence[Path]) -> list[bytes | None]:
        """What a file's seal is made of, to be taken before it is read; None for a file that was changed just now."""
        return [None if self._connection is None else _stamp(path) for path in paths]

    def look_up(self, paths: Sequence[Path], stamps: Sequence[bytes | None]) -> list[Facts | None]:
        """What is known of some hundreds of files at most; None for those to be read."""
        stamped = {_key(path): stamp for path, stamp in zip(paths, stamps, strict=True) if stamp is not None}
        rows = [
            row
            for row in self._select(list(stamped))
            if row[0] in stamped and row == _row(row[0], stamped[row[0]], row[2], row[3])
        ]
        self._write(
            [_row(key, stamped[key], text, self._today) for key, _, text, day in rows if day <= self._today - _NEW_DAY_AFTER]
        )
        known = {key: Facts.from_text(text) for key, _, text, _ in rows}
        return [known.get(_key(path)) for path in paths]

    def remember(self, paths: Sequence[Path], stamps: Sequence[bytes | None], found: Sequence[Facts]) -> None:
        """Keeps what was found in files that were stamped before."""
        self._write(
            [
                _row(_key(path), stamp, facts.as_text(), self._today)
                for path, stamp, facts in zip(paths, stamps, found, strict=True)
                if stamp is not None and facts.content
            ]
        )

    def _select(self, keys: list[bytes]) -> list[_Row]:
        query = f"SELECT path, seal, facts, day FROM files WHERE path IN ({','.join('?' * len(keys))})"
        return self._attempt(lambda connection: connection.execute(query, keys).fetchall(), [])

    def _write(self, rows: list[_Row]) -> None:
        if rows:
            self._run("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)
            self._has_written = True

    def _run(self, command: str, rows: Sequence[tuple[object, ...]]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with connection:  # a transaction, short so that nobody waits for long
                connection.executemany(command, rows)

        self._attempt(write, None)

    def _attempt(self, work: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """What `work` gives; where it fails the index is given up, and deleted if it is damaged."""
        if self._connection is None:
            return otherwise
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            self._close()
            if _is_damage(error):
                _delete(self._path)
            return otherwise

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _open(path: Path) -> sqlite3.Connection | None:
    """The index in a file; made anew where it is damaged or of another version, None where that is impossible."""
    with contextlib.suppress(OSError, sqlite3.Error):
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(path) or _connect(path)
    return None


def _connect(path: Path) -> sqlite3.Connection | None:
    """The index in a file, or None where it was fit for nothing but to be deleted."""
    connection = sqlite3.connect(path, timeout=_PATIENCE_S)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(_TABLE)
        if version in (0, _VERSION):
            return connection
    except sqlite3.Error as error:
        if not _is_damage(error):
            connection.close()
            raise
    connection.close()
    _delete(path)
    return None


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGED


def _delete(path: Path) -> None:
    # With its journal, which would be played back into the next index.
    for each in (path, path.with_name(f"{path.name}-journal")):
        with contextlib.suppress(OSError):
            each.unlink()


def _key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100, Path's own resolves nothing either but is slower


def _stamp(path: Path) -> bytes | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) < _TICK_NS:
        return None
    # The time of the last change of status tells where the other was set by hand, as by `cp -p` and `rsync -a`.
    return repr((facts.st_size, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, DECODER)).encode()


def _row(key: bytes, stamp: bytes, facts: str, day: int) -> _Row:
    seal = hashlib.blake2b(b"%a %b %a %a" % (key, stamp, facts, day), digest_size=16).digest()
    return key, seal, facts, day
