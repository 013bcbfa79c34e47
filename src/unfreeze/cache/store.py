"""A store of rows by key: the activations that one frozen part gives for views of pictures.

    <store>/store.json       what the rows are
    <store>/<id>.rows        a segment: rows of the same size, one after another
    <store>/<id>.index       for each of them, in the same order: its key and its checksum
    <store>/<id>.lock        held by a process that uses the store
    <store>/../.lock         held for a moment by a process that opens or deletes a store, or takes room in one

A process writes segments of its own only, so that any number can use one store at once; rows that two of them make at the same
time are kept twice. An index is written after its rows are on the disk, so what a killed process leaves is whole. A segment's
rows are as large as they will be before the first is written, so that whoever looks for room counts them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import StorageError
from unfreeze.files import make_folder
from unfreeze.reading import check_readable

DESCRIPTION, ROWS, INDEX, LOCK = "store.json", ".rows", ".index", ".lock"
# The two halves of a row's key, and the CRC-32 of its bytes.
_ENTRY = np.dtype([("first", "<u8"), ("second", "<u8"), ("crc", "<u4")])
# Rows after which a fill is made safe, so that a killed one goes on from there.
_COMMIT_ROWS = 1024
_MOST_MAPPED = 4
# What is done alone takes milliseconds.
_PATIENCE_S = 30.0

# 16 bytes each: uint64 [N, 2].
Keys = NDArray[np.uint64]


class Store:
    """Rows by key, memory-mapped. To be closed.

    Args:
        folder: is made where it isn't there.
        row_bytes: the size of a row.
        looking: only to look whether keys are listed; then nothing is written, and the store may be deleted meanwhile.

    Raises:
        StorageError: the folder can't be made or written to.
    """

    def __init__(self, folder: Path, row_bytes: int, looking: bool = False) -> None:
        self._folder, self._row_bytes = folder, row_bytes
        self._lock = None if looking else self._used()
        self._segments: list[tuple[Path, int]] = []  # each with the number of its rows
        # A mapped file stays open, and with new views in every epoch there is a new segment in every epoch.
        self._mapped = functools.lru_cache(_MOST_MAPPED)(self._map)
        self._entries = np.empty(0, _ENTRY)  # sorted by their first half
        self._places = np.empty((0, 2), np.int64)  # segment and row of each entry
        self._whole = np.empty(0, bool)  # whether its bytes were held against its checksum
        self._add_segments(sorted(path.with_suffix("") for path in folder.glob(f"*{INDEX}")), whole=False)

    def close(self) -> None:
        """Lets others delete the store."""
        self._mapped.cache_clear()
        if self._lock is not None:
            self._lock.release()
            with contextlib.suppress(OSError):
                Path(self._lock.lock_file).unlink(missing_ok=True)

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """bool [N]: which keys have a row. One whose bytes aren't those that were written counts as none."""
        while True:
            found = self._find(keys)
            listed = np.unique(found[found >= 0])
            there = {segment: self._is_there(segment) for segment in np.unique(self._places[listed, 0])}
            lost = [entry for entry in listed if not there[self._places[entry, 0]] or not self._is_whole(entry)]
            if not lost:
                return found >= 0
            self._forget(lost)  # there may be another row of the same key

    def lists(self, keys: Keys) -> NDArray[np.bool_]:
        """bool [N]: as `has`, without looking at the rows."""
        return self._find(keys) >= 0

    def read(self, keys: Keys) -> NDArray[np.uint8]:
        """uint8 [N, row_bytes]: the rows of keys that `has` has."""
        places = self._places[self._find(keys)]
        rows = np.empty((len(keys), self._row_bytes), np.uint8)
        for segment in np.unique(places[:, 0]):
            chosen = places[:, 0] == segment
            rows[chosen] = self._mapped(segment)[places[chosen, 1]]
        return rows

    def reserve(self, count: int) -> Path:
        """Takes room for so many rows, for `append`.

        Raises:
            OSError: the folder is gone, or can't be written to.
        """
        segment = self._folder / uuid.uuid4().hex
        with segment.with_suffix(ROWS).open("xb") as rows_file:
            rows_file.truncate(count * self._row_bytes)
        return segment

    def append(self, batches: Iterable[tuple[Keys, NDArray[np.uint8]]], reserved: Path | None = None) -> None:
        """Adds rows, uint8 [B, row_bytes] with their keys, as they come. What came before an error is kept.

        Args:
            reserved: where, as `reserve` gave it; what isn't needed of it is given back.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        segment = reserved or self.reserve(0)
        try:
            with segment.with_suffix(ROWS).open("r+b") as rows_file, segment.with_suffix(INDEX).open("xb") as index_file:
                waiting: list[NDArray[Any]] = []
                try:
                    for keys, rows in batches:
                        rows_file.write(np.ascontiguousarray(rows).data)
                        waiting.append(_entries(keys, rows))
                        if sum(map(len, waiting)) >= _COMMIT_ROWS:
                            _commit(rows_file, index_file, waiting)
                finally:
                    _commit(rows_file, index_file, waiting)
        finally:
            if self._trim(segment):
                self._add_segments([segment], whole=True)

    def _used(self) -> filelock.BaseFileLock:
        """The lock that says so. Where nobody else uses the store, what killed processes left of their segments goes."""
        make_folder(self._folder)
        try:
            with alone(self._folder.parent):
                if not any(map(is_held, self._folder.glob(f"*{LOCK}"))):
                    for rows in self._folder.glob(f"*{ROWS}"):
                        self._trim(rows.with_suffix(""))
                return _lock(self._folder)
        except OSError as error:
            raise StorageError(f"{self._folder}: can't be written to ({error.strerror or error})") from None

    def _trim(self, segment: Path) -> bool:
        """Gives back what no index vouches for; whether anything is left."""
        rows, index = segment.with_suffix(ROWS), segment.with_suffix(INDEX)
        with contextlib.suppress(OSError):
            count = index.stat().st_size // _ENTRY.itemsize if index.is_file() else 0
            if not count:  # nothing came
                rows.unlink(missing_ok=True)
                index.unlink(missing_ok=True)
                return False
            if rows.stat().st_size > count * self._row_bytes:
                os.truncate(rows, count * self._row_bytes)
        return index.is_file()

    def _find(self, keys: Keys) -> NDArray[np.int64]:
        """The entry of each key, or -1."""
        if not len(self._entries):
            return np.full(len(keys), -1, np.int64)
        entry = np.searchsorted(self._entries["first"], keys[:, 0])
        entry = np.minimum(entry, len(self._entries) - 1)
        same = (self._entries["first"][entry] == keys[:, 0]) & (self._entries["second"][entry] == keys[:, 1])
        return np.where(same, entry, -1)

    def _is_whole(self, entry: int) -> bool:
        if not self._whole[entry]:
            segment, row = self._places[entry]
            self._whole[entry] = zlib.crc32(self._mapped(segment)[row]) == self._entries["crc"][entry]
        return bool(self._whole[entry])

    def _forget(self, entries: list[int]) -> None:
        self._entries, self._whole = np.delete(self._entries, entries), np.delete(self._whole, entries)
        self._places = np.delete(self._places, entries, axis=0)

    def _add_segments(self, segments: Iterable[Path], whole: bool) -> None:
        """Takes in segments, as far as their indexes and their rows go."""
        entries, places = [self._entries], [self._places]
        for segment in segments:
            read = self._read_segment(segment)
            if read is not None:
                count = len(read)
                self._segments.append((segment, count))
                entries.append(read)
                places.append(np.stack([np.full(count, len(self._segments) - 1), np.arange(count)], axis=1))
        added = sum(map(len, entries)) - len(self._entries)
        order = np.argsort(np.concatenate(entries)["first"], kind="stable")
        self._entries, self._places = np.concatenate(entries)[order], np.concatenate(places)[order]
        self._whole = np.concatenate([self._whole, np.full(added, whole)])[order]

    def _read_segment(self, segment: Path) -> NDArray[Any] | None:
        """The entries of the rows that are there."""
        try:
            for kind in (INDEX, ROWS):
                check_readable(segment.with_suffix(kind))
            written = segment.with_suffix(INDEX).read_bytes()
            entries = np.frombuffer(written[: len(written) // _ENTRY.itemsize * _ENTRY.itemsize], _ENTRY)
            count = min(len(entries), segment.with_suffix(ROWS).stat().st_size // self._row_bytes)
        except OSError:  # another process is deleting it
            return None
        return entries[:count] if count else None

    def _map(self, segment: int) -> NDArray[np.uint8]:
        """uint8 [rows, row_bytes]: those of a segment, by its number."""
        path, count = self._segments[segment]
        return np.memmap(path.with_suffix(ROWS), np.uint8, "r", shape=(count, self._row_bytes))

    def _is_there(self, segment: int) -> bool:
        try:
            self._mapped(segment)
        except (OSError, ValueError):  # it was deleted, or cut off
            return False
        return True


def alone(folder: Path) -> filelock.BaseFileLock:
    """A context in which no other process opens or deletes a store in a folder, or takes room there; to be left soon.

    Raises:
        OSError: on entering: the folder can't be written to, or another process doesn't leave it.
    """
    # One for each folder in this process, so that it can be entered again within itself.
    return filelock.FileLock(folder / LOCK, timeout=_PATIENCE_S, is_singleton=True)


def _lock(folder: Path) -> filelock.BaseFileLock:
    """A lock file that says that this process uses the store; notes the time, too."""
    for left in folder.glob(f"*{LOCK}"):
        if not is_held(left):  # a killed process left it
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
    lock = filelock.FileLock(folder / f"{uuid.uuid4().hex}{LOCK}")
    lock.acquire(blocking=False)
    with contextlib.suppress(OSError):
        os.utime(folder / DESCRIPTION)
    return lock


def is_held(lock: Path) -> bool:
    """Whether a running process holds a lock file."""
    try:
        with filelock.FileLock(lock).acquire(blocking=False):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return False


def _entries(keys: Keys, rows: NDArray[np.uint8]) -> NDArray[Any]:
    entries = np.empty(len(keys), _ENTRY)
    entries["first"], entries["second"] = keys[:, 0], keys[:, 1]
    entries["crc"] = [zlib.crc32(row) for row in rows]
    return entries


def _commit(rows: BinaryIO, index: BinaryIO, waiting: list[NDArray[Any]]) -> None:
    """The rows to the disk, then the entries that vouch for them."""
    if waiting:
        rows.flush()
        os.fsync(rows.fileno())
        index.write(np.concatenate(waiting).tobytes())
        index.flush()
        waiting.clear()
