"""Views of pictures as what the frozen part gives for them: kept in a store, and computed where they aren't in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unfreeze.cache.folder import ACTIVATIONS, make_room, taking_room
from unfreeze.cache.layout import Layout
from unfreeze.cache.store import Keys, Store
from unfreeze.data.augment import view_facts
from unfreeze.data.dataset import Record
from unfreeze.data.load import Loader, View
from unfreeze.data.picture import DECODER
from unfreeze.errors import StorageError
from unfreeze.training.backend import Backend, Encoded

# Changes where rows of an older unfreeze mustn't be taken for the same.
_FORMAT = 1
# Told how many pictures have gone through the frozen part, of how many, on the way to which boundary.
Filling = Callable[[int, int, str], None]


class Place(NamedTuple):
    """A cache folder, and the most it may hold, in bytes."""

    folder: Path
    limit: int


class Source(Protocol):
    """Where views come from: the loader, as pictures, or activations at a boundary."""

    def batches(self, split: str, views: Sequence[View]) -> Iterator[Any]: ...


class Activations:
    """Views as their activations at one boundary.

    Args:
        boundary: of the frozen part.
        random: whether these are random views, or pictures as they are evaluated. Each kind has a store of its own.
        identity: what `Backend.identify_prefix` says of the frozen part.
        cache: where rows are kept.
        filling: is told of each batch that is computed.

    Attributes:
        source: what the frozen part is given: the loader's pictures, or activations at a lower boundary.
    """

    def __init__(
        self,
        boundary: str,
        random: bool,
        identity: dict[str, str],
        loader: Loader,
        backend: Backend,
        cache: Place,
        filling: Filling = lambda *_: None,
    ) -> None:
        self.boundary, self.identity = boundary, identity
        self.source: Source = loader
        self._random, self._loader, self._backend = random, loader, backend
        self._cache, self._filling = cache, filling
        self._path = cache.folder / ACTIVATIONS / self._digest()
        self._opened: tuple[Store, Layout] | None = None

    def close(self) -> None:
        """Lets others delete what is kept."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    def batches(self, split: str, views: Sequence[View]) -> Iterator[Encoded]:
        """The activations of these views, in their order, in batches of the loader's size.

        What the store lacks is computed and put into it before this returns; where it can't be, because the disk is full or
        the limit is reached, it is computed on the way.

        Raises:
            DataError: a picture can't be read any more.
        """
        if not views:
            return iter(())
        keys = self._keys(split, views)
        self._fill(split, views, keys)
        if self._opened is None or not self._opened[0].has(keys).all():
            return self._backend.encode(self.source.batches(split, views), self.boundary)
        return self._kept(split, views, keys, *self._opened)

    def _kept(self, split: str, views: Sequence[View], keys: Keys, store: Store, layout: Layout) -> Iterator[Encoded]:
        labels, size = self._loader.labels(split), self._loader.batch_size
        for start in range(0, len(views), size):
            shown = views[start : start + size]
            places, mix = [view.picture for view in shown], self._loader.mix(split, shown)
            yield Encoded(layout.unpack(store.read(keys[start : start + size])), labels[places], self.boundary, mix)

    def missing(self, split: str, views: Sequence[View]) -> int:
        """How many of these views have no row yet. Writes nothing."""
        keys = np.unique(self._keys(split, views), axis=0)
        return len(keys) if self._listed is None else int((~self._listed.lists(keys)).sum())

    @cached_property
    def _listed(self) -> Store | None:
        """What the store lists now, read once for all that is asked of it."""
        layout = Layout.read(self._path)
        return Store(self._path, layout.row_bytes, looking=True) if layout is not None else None

    def _fill(self, split: str, views: Sequence[View], keys: Keys) -> None:
        try:
            store, layout = self._store(split, views)
            _, first = np.unique(keys, axis=0, return_index=True)
            first.sort()
            lacking = first[~store.has(keys[first])]
            needed = len(lacking) * layout.row_bytes
            if not needed:
                return
            with taking_room(self._cache.folder):
                if not make_room(self._cache.folder, needed, self._cache.limit, keep=self._path):
                    return
                reserved = store.reserve(len(lacking))
            store.append(self._computed(split, [views[place] for place in lacking], keys[lacking], layout), reserved)
        except (OSError, StorageError):  # a cache that can't be written to costs time, not the training
            return

    def _computed(
        self, split: str, views: Sequence[View], keys: Keys, layout: Layout
    ) -> Iterator[tuple[Keys, NDArray[np.uint8]]]:
        done = 0
        for batch in self._backend.encode(self.source.batches(split, views), self.boundary):
            rows = layout.pack(batch.activations)
            yield keys[done : done + len(rows)], rows
            done += len(rows)
            self._filling(done, len(views), self.boundary)

    def _store(self, split: str, views: Sequence[View]) -> tuple[Store, Layout]:
        if self._opened is None:
            layout = Layout.read(self._path)
            if layout is None:
                layout = self._layout(split, views)
                layout.write(self._path, {"words": self._words(), **self._facts()})
            self._opened = Store(self._path, layout.row_bytes), layout
        return self._opened

    def _layout(self, split: str, views: Sequence[View]) -> Layout:
        # A lower store is filled by asking it, so it is asked for all at once.
        some = views if isinstance(self.source, Activations) else views[:1]
        first = next(self._backend.encode(self.source.batches(split, some), self.boundary))
        return Layout.of(first.activations)

    def _facts(self) -> dict[str, Any]:
        """All that decides a row, but the picture, the number of its view, and what is mixed into it."""
        return {
            "format": _FORMAT,
            "prefix": self.identity,
            "boundary": self.boundary,
            "contract": self._loader.contract.model_dump(),
            "decoder": DECODER,
            # Its generators' streams may change with its version.
            "numpy": np.__version__ if self._random else None,
            "augment": view_facts(self._loader.augmentation) if self._random else None,
        }

    def _digest(self) -> str:
        return hashlib.blake2b(json.dumps(self._facts(), sort_keys=True).encode(), digest_size=16).hexdigest()

    def _words(self) -> str:
        what = "random views" if self._random else "pictures"
        network, side = self.identity.get("network", "a network"), self._loader.contract.side_px
        return f"{what} at {side} px in {network}, before {self.boundary}"

    def _keys(self, split: str, views: Sequence[View]) -> Keys:
        records = self._loader.records(split)
        digests = b"".join(_key(records, view) for view in views)
        return np.frombuffer(digests, np.uint64).reshape(len(views), 2)


def _key(records: Sequence[Record], view: View) -> bytes:
    named = f"{records[view.picture].content} {view.number}"
    if view.mixing is not None:  # whatever drew it: a row of a mixed view says itself what is in it
        named += f" {records[view.mixing.picture].content} {view.mixing.part} {view.mixing.box}"
    return hashlib.blake2b(named.encode(), digest_size=16).digest()
