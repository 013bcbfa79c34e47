"""What each phase keeps of its activations: decided by what it would cost and save."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from unfreeze.cache.folder import room
from unfreeze.data.load import Loader
from unfreeze.recipe.plan import Phase, PhaseCache
from unfreeze.training.activations import Activations, Place
from unfreeze.training.backend import Backend
from unfreeze.training.costs import Need, Speeds

# Looking rows up for every epoch takes long where each has views of its own: of more turns, none is taken to be there.
_TURNS_LOOKED_UP = 16


def plan_cache(
    phases: Sequence[Phase], loader: Loader, backend: Backend, use: str, place: Place, is_search: bool = False
) -> tuple[PhaseCache, ...]:
    """For each phase, whether its activations are kept, with the reason.

    Args:
        use: `auto` keeps them where that is estimated to save time and there is room; `on` wherever it can be done; `off`.
        place: where they would be kept.
        is_search: whether phases after the first may not come.
    """
    planner = _Planner(phases, loader, backend, place)
    for number in range(len(phases)):
        if is_search and number and use == "auto":
            planner.leave_open(number)
        else:
            planner.plan(number, use)
    return tuple(planner.planned)


def turns_of(phases: Sequence[Phase], number: int, loader: Loader) -> dict[int, int]:
    """The turns in which a phase (counted from 0) takes the views, each with the first of its epochs that does."""
    first = sum(phase.epochs for phase in phases[:number])
    turns: dict[int, int] = {}
    for epoch in range(first, first + phases[number].epochs):
        turns.setdefault(loader.turn(epoch), epoch)
    return turns


class _Planner:
    def __init__(self, phases: Sequence[Phase], loader: Loader, backend: Backend, place: Place) -> None:
        self.planned: list[PhaseCache] = []
        self._phases, self._loader, self._backend, self._place = phases, loader, backend, place
        # The turns that each phase lacks rows of; None stands for validation.
        self._lacking: dict[int, set[int | None]] = defaultdict(set)
        self._speeds = Speeds(backend, loader, place.folder)

    def plan(self, number: int, use: str) -> None:
        phase = self._phases[number]
        kept, reason = False, "switched off"
        if use != "off":
            identity = self._backend.identify_prefix(phase.boundary)
            if identity is None:
                reason = self._why_not(phase.boundary)
            elif use == "on":
                kept, reason = True, "asked for"
            else:
                self.planned.append(self._weigh(number, identity))
                return
        self.planned.append(PhaseCache(boundary=phase.boundary, training=kept, validation=kept, reason=reason))

    def leave_open(self, number: int) -> None:
        """A step that may not be taken: what it would save isn't worth measuring before."""
        boundary = self._phases[number].boundary
        can = self._backend.identify_prefix(boundary) is not None
        reason = "it may not be taken; validation pictures only" if can else self._why_not(boundary)
        self.planned.append(PhaseCache(boundary=boundary, training=False, validation=can, reason=reason))

    def _why_not(self, boundary: str) -> str:
        """Why nothing can be kept at a boundary."""
        return "nothing is frozen" if boundary == self._backend.network.stages[0].name else "the network can't be cut here"

    def _weigh(self, number: int, identity: dict[str, str]) -> PhaseCache:
        boundary = self._phases[number].boundary
        need = self._need(number, identity)
        if not need.absent:
            reason = "all of it is there already"
            return PhaseCache(
                boundary=boundary,
                training=True,
                validation=True,
                rows=need.rows + need.rows_validation,
                missing=0,
                reason=reason,
            )
        speeds = self._speeds.of(boundary)
        without, kept = speeds.without(need), speeds.kept(need)
        free = room(self._place.folder, self._place.limit)
        training = kept.training < without.training and need.absent * speeds.row_bytes <= free
        fits = training or need.missing_validation * speeds.row_bytes <= free
        validation = kept.validation < without.validation and fits
        return PhaseCache(
            boundary=boundary,
            training=training,
            validation=validation,
            rows=(need.rows if training else 0) + (need.rows_validation if validation else 0),
            missing=(need.missing if training else 0) + (need.missing_validation if validation else 0),
            row_bytes=speeds.row_bytes,
            seconds_without=round(sum(without), 1),
            seconds_with=round((kept if training else without).training + (kept if validation else without).validation, 1),
            reason=_reason(training, validation, kept.training < without.training, need),
        )

    def _need(self, number: int, identity: dict[str, str]) -> Need:
        phase, loader = self._phases[number], self._loader
        turns = turns_of(self._phases, number, loader)
        shown, validated = loader.training_views(next(iter(turns.values()))), loader.evaluation_views("validation")
        distinct = len(set(shown))
        lacking = dict.fromkeys(turns, distinct)
        views = Activations(phase.boundary, loader.shows_random_views, identity, loader, self._backend, self._place)
        for turn in list(turns)[:_TURNS_LOOKED_UP]:
            lacking[turn] = views.missing("train", loader.training_views(turns[turn]))
        pictures = Activations(phase.boundary, False, identity, loader, self._backend, self._place)
        lacking_validation = pictures.missing("validation", validated)
        # A phase before this one with a boundary above its own makes, of the rows that it lacks itself, this one's on the way.
        above = [other for other in range(number) if self._is_above(other, number)]
        made = {turn for other in above if self.planned[other].training for turn in self._lacking[other]}
        validation_made = any(self.planned[other].validation and None in self._lacking[other] for other in above)
        self._lacking[number] = {turn for turn, count in lacking.items() if count}
        self._lacking[number] |= {None} if lacking_validation else set()
        return Need(
            shown=phase.epochs * len(shown),
            validated=phase.epochs * len(validated),
            rows=len(turns) * distinct,
            missing=sum(count for turn, count in lacking.items() if turn not in made),
            rows_validation=len(validated),
            absent=sum(lacking.values()) + lacking_validation,
            missing_validation=0 if validation_made else lacking_validation,
        )

    def _is_above(self, one: int, other: int) -> bool:
        place = self._backend.network.place
        return place(self._phases[one].boundary) > place(self._phases[other].boundary)


def _reason(training: bool, validation: bool, would_save: bool, need: Need) -> str:
    if training:
        return "saves time" if need.missing or not need.absent else "saves time; computed on the way by an earlier phase"
    if would_save:
        return "there is no room for it"
    once = need.shown <= need.rows
    why = "each view is shown once" if once else "it would take longer"
    return f"{why}; validation pictures only" if validation else why
