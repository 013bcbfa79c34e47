"""Where each phase's pictures come from: decoded anew, or their activations from the cache. It changes nothing but time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unfreeze.data.load import Loader
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Plan
from unfreeze.training.activations import Activations, Filling, Place, Source
from unfreeze.training.backend import Backend
from unfreeze.training.cache_planning import turns_of


class Feed:
    """The pictures of one phase, as batches for its training and its validation."""

    def __init__(self, loader: Loader, training: Source, validation: Source) -> None:
        self._loader, self._training, self._validation = loader, training, validation

    def training(self, epoch: int, done: int = 0) -> Iterator[Any]:
        """The batches of one epoch, numbered from 0 over the whole run, but for the first `done`; as `Loader.training`.

        What is to be kept of them and isn't there is computed before this returns.
        """
        views = self._loader.training_views(epoch)
        return self._training.batches("train", views[done * self._loader.batch_size :])

    def validation(self) -> Iterator[Any]:
        """The batches of the validation pictures; as `Loader.evaluation`, and as `training`."""
        return self._validation.batches("validation", self._loader.evaluation_views("validation"))


class Feeding:
    """The feeds of a plan's phases. To be closed.

    Args:
        plan: its `cache` says what is kept.
        place: where.
        filling: is told of each batch of activations that is computed to be kept.
    """

    def __init__(self, loader: Loader, backend: Backend, plan: Plan, place: Place, filling: Filling = lambda *_: None) -> None:
        self.loader = loader
        self._backend, self._plan, self._place, self._filling = backend, plan, place, filling
        self._kept: dict[tuple[str, bool], Activations] = {}

    def __enter__(self) -> Feeding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets others delete what was kept."""
        for activations in self._kept.values():
            activations.close()
        self._kept = {}

    def feed(self, number: int) -> Feed:
        """The feed of a phase, counted from 0. Ask when the phase starts: earlier phases may change what its frozen part is."""
        return Feed(self.loader, self._source(number, training=True), self._source(number, training=False))

    def scoring(self, split: str) -> Iterator[Any]:
        """The pictures of a split, for the finished model to be scored on; as `Loader.evaluation`.

        A base that no phase has changed is as it was when activations were kept: they serve here, too.
        """
        last = len(self._plan.phases) - 1
        untouched = all(phase.boundary == HEAD for phase in self._plan.phases)
        source = self._source(last, training=False) if untouched else self.loader
        return source.batches(split, self.loader.evaluation_views(split))

    def _source(self, number: int, training: bool) -> Source:
        """The loader, or the phase's activations, made of those of the phases with lower boundaries that are kept as well."""
        source: Source = self.loader
        if not self._keeps(number, training):
            return source
        for boundary in self._lower(number, training):
            source = self._activations(boundary, training, source)
        return self._activations(self._plan.phases[number].boundary, training, source)

    def _lower(self, number: int, training: bool) -> list[str]:
        """The lower boundaries, lowest first, at which another phase keeps the views that this one shows."""
        place, phases = self._backend.network.place, self._plan.phases
        if self._plan.is_search:
            return []  # of steps that may not be taken
        boundaries = {
            phase.boundary
            for other, phase in enumerate(phases)
            if place(phase.boundary) < place(phases[number].boundary) and self._shares(number, other, training)
        }
        return sorted(boundaries, key=place)

    def _keeps(self, number: int, training: bool) -> bool:
        return any(planned.training if training else planned.validation for planned in self._plan.cache[number : number + 1])

    def _shares(self, number: int, other: int, training: bool) -> bool:
        if not training:
            return self._keeps(other, training)
        turns = [turns_of(self._plan.phases, phase, self.loader).keys() for phase in (number, other)]
        return self._keeps(other, training) and bool(turns[0] & turns[1])

    def _activations(self, boundary: str, training: bool, source: Source) -> Activations:
        identity = self._backend.identify_prefix(boundary)
        assert identity is not None
        kept = self._kept.get((boundary, training))
        if kept is None or kept.identity != identity:
            if kept is not None:
                kept.close()
            random = training and self.loader.shows_random_views
            kept = Activations(boundary, random, identity, self.loader, self._backend, self._place, self._filling)
            self._kept[boundary, training] = kept
        kept.source = source
        return kept
