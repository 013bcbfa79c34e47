"""The cache changes nothing but time: on the NumPy backend, by value, with everything on; and it computes nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from support import numpy_backend
from support.folders import class_folder, write_picture
from unfreeze.cache.folder import ACTIVATIONS
from unfreeze.cache.store import Store
from unfreeze.data.augment import view_facts
from unfreeze.data.load import Loader
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import DataError
from unfreeze.recipe.plan import PhaseCache, Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Augment
from unfreeze.training import loop
from unfreeze.training.activations import Place
from unfreeze.training.backend import Encoded
from unfreeze.training.cache_planning import plan_cache
from unfreeze.training.costs import PhaseSpeeds, Speeds
from unfreeze.training.feeding import Feeding
from unfreeze.training.loop import Outcome, train_plan
from unfreeze.training.planning import make_plan
from unfreeze.training.watcher import Silent

LIMIT = 10**9
# The frozen part takes most of the time, reading a row almost none.
SPEEDS = PhaseSpeeds(decode=2e-3, prefix=8e-3, tail=1e-4, row=1e-5, row_bytes=4 * numpy_backend.UNITS)
PLENTY: dict[str, Any] = {"head_only.epochs": 3, "unfrozen.epochs": 3, "head.dropout": 0.5, "label_smoothing": 0.1}


class Counting(numpy_backend.NumpyBackend):
    """Notes how many pictures go through the frozen part to be kept, by where from and where to."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.encoded: dict[str, int] = {}

    def encode(self, batches: Iterable[Any], boundary: str) -> Iterator[Encoded]:
        for batch in super().encode(batches, boundary):
            way = f"→ {boundary}"
            self.encoded[way] = self.encoded.get(way, 0) + len(batch.labels)
            yield batch


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("pictures") / "photos", {"cat": 20, "dog": 10, "eel": 6}, size=(24, 20))


def prepare(photos: Path, **changes: Any) -> tuple[Plan, Counting, Loader]:
    recipe = read_recipe(None, {"model": "tiny", **PLENTY, **changes})
    dataset = scan_for_training(photos, recipe.data, recipe.seed)
    opened = numpy_backend.open_network(recipe.model_copy(update={"seed": 0}), dataset.classes)  # the same weights
    backend = Counting(opened.weights, "tiny", dataset.classes, recipe.head.dropout, recipe.seed)
    plan = make_plan(recipe, dataset, backend)
    loader = Loader(dataset, plan.network.contract, plan.batch_size, plan.augment, plan.oversample, plan.seed)
    return plan, backend, loader


def run(
    photos: Path, folder: Path, use: str, limit: int = LIMIT, **changes: Any
) -> tuple[Outcome, np.ndarray, Counting, tuple[PhaseCache, ...]]:
    plan, backend, loader = prepare(photos, **changes)
    place = Place(folder, limit)
    plan = plan.model_copy(update={"cache": plan_cache(plan.phases, loader, backend, use, place)})
    backend.encoded.clear()
    with Feeding(loader, backend, plan, place) as feeding:
        outcome = train_plan(plan, backend, feeding, Silent())
    return outcome, backend.predict(loader.evaluation("validation")), backend, plan.cache


def numbers(outcome: Outcome) -> list[tuple[float, ...]]:
    return [
        (record.train_loss, record.train_accuracy, record.val_loss, record.val_accuracy, record.rate)
        for record in outcome.history
    ]


def stores(folder: Path) -> list[Path]:
    return sorted((folder / ACTIVATIONS).glob("*"))


EVERYTHING = {
    "plain": {"strategy": "feature-extraction"},
    "two views in turn": {"strategy": "fine-tune-top", "unfreeze.stages": 1, "augment.views": 2},
    "every epoch its own view": {"strategy": "gradual", "unfreeze.stages": 1},
    "oversampled": {"strategy": "fine-tune-top", "unfreeze.stages": 1, "imbalance.oversample": True, "augment.views": 2},
    "weighted": {"strategy": "gradual", "unfreeze.stages": 1, "imbalance.class_weights": "balanced", "augment.views": 3},
    "unchanged pictures": {
        "augment.crop_min_area": 1.0, "augment.flip": False, "augment.rotation_degrees": 0.0, "augment.jitter": 0.0,
    },
    "everything trains in the end": {"strategy": "full", "augment.views": 1},
    "mixed": {
        "strategy": "gradual", "unfreeze.stages": 1, "augment.views": 2, "augment.mixup": 0.4, "augment.cutmix": 1.0,
        "augment.trivial": True, "augment.erasing": 0.5, "imbalance.oversample": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EVERYTHING)
def test_on_and_off_give_the_same(photos: Path, tmp_path: Path, name: str) -> None:
    off, predicted, _, _ = run(photos, tmp_path, "off", **EVERYTHING[name])
    assert not stores(tmp_path)
    for _ in range(2):  # filling the cache, and from it
        on, again, _, _ = run(photos, tmp_path, "on", **EVERYTHING[name])
        np.testing.assert_allclose(numbers(on), numbers(off), atol=1e-6)
        np.testing.assert_allclose(again, predicted, atol=1e-5)
    assert stores(tmp_path)


def test_nothing_is_computed_twice(photos: Path, tmp_path: Path) -> None:
    recipe = {"strategy": "feature-extraction", "augment.views": 2, "head_only.epochs": 5}
    plan, _, loader = prepare(photos, **recipe)
    training, validation = len(loader.records("train")), len(loader.records("validation"))
    _, _, first, _ = run(photos, tmp_path, "on", **recipe)
    assert first.encoded == {"→ head": 2 * training + validation + 2}, "and one each to learn the shape of a row"
    _, _, second, _ = run(photos, tmp_path, "on", **recipe, seed=plan.seed, **{"head_only.rate": 0.1, "head.dropout": 0.1})
    assert second.encoded == {}, "another head and rate need nothing"
    _, _, third, _ = run(photos, tmp_path, "on", **{**recipe, "augment.views": 3})
    assert third.encoded == {"→ head": training}, "one view more is one view more"


def test_filling_is_timed_apart_from_training_and_validation(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def takes(owner: type, name: str, seconds: float) -> None:
        does = getattr(owner, name)

        def timed(*arguments: Any) -> Any:
            now[0] += seconds
            return does(*arguments)

        monkeypatch.setattr(owner, name, timed)

    takes(Store, "append", 100)
    takes(Counting, "train_epoch", 5)
    takes(Counting, "predict", 1)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    outcome, *_ = run(photos, tmp_path, "on", strategy="feature-extraction", **{"augment.views": 2})
    # Two views in turn, and the validation pictures with the first.
    assert [record.fill_seconds for record in outcome.history] == [200, 100, 0]
    assert [(record.train_seconds, record.val_seconds) for record in outcome.history] == [(5, 1)] * 3


def test_another_seed_shares_what_its_split_shares(photos: Path, tmp_path: Path) -> None:
    recipe = {"strategy": "feature-extraction", "augment.views": 1}
    _, _, first, _ = run(photos, tmp_path, "on", **recipe)
    _, _, second, _ = run(photos, tmp_path, "on", **recipe, seed=1)
    assert 0 < second.encoded["→ head"] < 0.6 * first.encoded["→ head"]


def test_a_lower_store_feeds_the_one_above(photos: Path, tmp_path: Path) -> None:
    recipe = {"strategy": "fine-tune-top", "unfreeze.stages": 1, "augment.views": 2, "head_only.epochs": 2}
    _, _, loader = prepare(photos, **recipe)
    views = 2 * len(loader.records("train")) + len(loader.records("validation"))
    _, _, backend, _ = run(photos, tmp_path, "on", **recipe)
    # Decoded and taken through the stem once; from there to the head; and in the second phase nothing at all.
    assert backend.encoded["→ stage1"] - views in range(3)
    assert views <= backend.encoded["→ head"] <= 2 * views


@pytest.mark.parametrize(
    "changes",
    [{"augment.jitter": 0.3}, {"augment.trivial": True}, {"augment.erasing": 0.5}, {"augment.seed": 1}, {"input.side_px": 20}],
)
def test_what_changes_a_view_changes_nothing_else(photos: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = {"strategy": "feature-extraction", "augment.views": 1, "head_only.epochs": 1}
    _, _, loader = prepare(photos, **recipe)
    run(photos, tmp_path, "on", **recipe)
    _, _, second, _ = run(photos, tmp_path, "on", **recipe, **changes)
    size_changed = "input.side_px" in changes
    pictures = len(loader.training_views(0)) + (len(loader.records("validation")) if size_changed else 0)
    assert second.encoded["→ head"] - pictures == (2 if size_changed else 1), "one of each kind to learn the shape of a row"


def test_rows_of_older_versions_are_found() -> None:
    """They were kept when there was less that could be done to a view."""
    assert view_facts(Augment()) == {"crop_min_area": 0.35, "flip": True, "rotation_degrees": 10, "jitter": 0.2, "seed": 0}


def test_mixing_computes_mixed_views_and_leaves_the_others(photos: Path, tmp_path: Path) -> None:
    recipe = {"strategy": "feature-extraction", "augment.views": 1, "head_only.epochs": 1}
    run(photos, tmp_path, "on", **recipe)
    mixing = {**recipe, "augment.mixup": 0.2}
    _, _, loader = prepare(photos, **mixing)
    mixed = sum(view.mixing is not None for view in loader.training_views(0))
    assert 10 < mixed < len(loader.training_views(0))
    _, _, second, _ = run(photos, tmp_path, "on", **mixing)
    assert second.encoded == {"→ head": mixed}
    _, _, third, _ = run(photos, tmp_path, "on", **recipe)
    assert third.encoded == {}


def test_a_changed_picture_changes_the_mixed_views_it_is_in_and_nothing_else(tmp_path: Path) -> None:
    photos = class_folder(tmp_path / "photos", {"train/cat": 20, "train/dog": 20, "val/cat": 4, "val/dog": 4})
    recipe = {"strategy": "feature-extraction", "augment.views": 1, "head_only.epochs": 1, "augment.cutmix": 1.0}

    def named() -> set[tuple[Any, ...]]:
        _, _, loader = prepare(photos, **recipe)
        contents = [record.content for record in loader.records("train")]
        return {
            (contents[view.picture], view.mixing and (contents[view.mixing.picture], *view.mixing[1:]))
            for view in loader.training_views(0)
        }

    run(photos, tmp_path / "cache", "on", **recipe)
    before = named()
    write_picture(photos / "train" / "cat" / "003.png", seed=99)
    _, _, second, _ = run(photos, tmp_path / "cache", "on", **recipe)
    assert second.encoded == {"→ head": len(named() - before)}
    assert 1 <= len(named() - before) <= 10
    write_picture(next((photos / "val" / "cat").iterdir()), seed=98)
    _, _, third, _ = run(photos, tmp_path / "cache", "on", **recipe)
    assert third.encoded == {"→ head": 1}, "that picture, for validation"


def test_changed_bytes_and_changed_weights_are_computed_and_nothing_else(tmp_path: Path) -> None:
    photos = class_folder(tmp_path / "photos", {"train/cat": 6, "train/dog": 6, "val/cat": 2, "val/dog": 2})
    recipe = {"strategy": "feature-extraction", "augment.views": 1, "head_only.epochs": 1}
    run(photos, tmp_path / "cache", "on", **recipe)
    changed = next((photos / "train" / "cat").iterdir())
    write_picture(changed, seed=99)
    _, _, second, _ = run(photos, tmp_path / "cache", "on", **recipe)
    assert second.encoded == {"→ head": 1}

    plan, backend, loader = prepare(photos, **recipe)
    backend.weights["stage1"] = backend.weights["stage1"] + np.float32(0.01)
    plan = plan.model_copy(update={"cache": plan_cache(plan.phases, loader, backend, "on", Place(tmp_path / "cache", LIMIT))})
    with Feeding(loader, backend, plan, Place(tmp_path / "cache", LIMIT)) as feeding:
        train_plan(plan, backend, feeding, Silent())
    assert backend.encoded["→ head"] >= 16


def test_the_limit_is_kept_and_training_goes_on(photos: Path, tmp_path: Path) -> None:
    recipe = {"strategy": "feature-extraction", "augment.views": 2}
    off, predicted, _, _ = run(photos, tmp_path / "off", "off", **recipe)
    on, again, _, _ = run(photos, tmp_path / "on", "on", limit=1000, **recipe)
    np.testing.assert_allclose(numbers(on), numbers(off), atol=1e-6)
    np.testing.assert_allclose(again, predicted, atol=1e-5)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.rows")) <= 1000


def test_a_folder_that_cant_be_written_costs_time_only(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    off, predicted, _, _ = run(photos, tmp_path, "off")
    on, again, _, _ = run(photos, tmp_path / "file", "on")
    np.testing.assert_allclose(numbers(on), numbers(off), atol=1e-6)
    np.testing.assert_allclose(again, predicted, atol=1e-5)


def test_a_picture_that_is_gone_is_named_and_what_was_computed_is_kept(tmp_path: Path) -> None:
    photos = class_folder(tmp_path / "photos", {"cat": 20, "dog": 20})
    plan, backend, loader = prepare(photos, strategy="feature-extraction", **{"augment.views": 1, "input.batch_size": 4})
    place = Place(tmp_path / "cache", LIMIT)
    plan = plan.model_copy(update={"cache": plan_cache(plan.phases, loader, backend, "on", place)})
    gone = loader.records("train")[loader.training_views(0)[-1].picture]
    content = gone.path.read_bytes()
    gone.path.unlink()
    with Feeding(loader, backend, plan, place) as feeding, pytest.raises(DataError, match=gone.path.name):
        train_plan(plan, backend, feeding, Silent())
    gone.path.write_bytes(content)
    before = dict(backend.encoded)
    backend.encoded.clear()
    with Feeding(loader, backend, plan, place) as feeding:
        train_plan(plan, backend, feeding, Silent())
    assert backend.encoded["→ head"] < before["→ head"], "it went on from where it was"


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> PhaseSpeeds:
    """What is measured, whatever the machine is doing."""
    monkeypatch.setattr(Speeds, "of", lambda *_: SPEEDS)
    return SPEEDS


class TestPlanning:
    def planned(self, photos: Path, folder: Path, **changes: Any) -> tuple[PhaseCache, ...]:
        plan, backend, loader = prepare(photos, **changes)
        return plan_cache(plan.phases, loader, backend, changes.get("cache.use", "auto"), Place(folder, LIMIT))

    def test_off_is_off(self, photos: Path, tmp_path: Path) -> None:
        for cache in self.planned(photos, tmp_path, **{"cache.use": "off"}):
            assert (cache.training, cache.validation, cache.reason) == (False, False, "switched off")

    def test_nothing_is_frozen_in_the_end(self, photos: Path, tmp_path: Path) -> None:
        *_, last = self.planned(photos, tmp_path, strategy="full")
        assert (last.training, last.validation, last.reason) == (False, False, "nothing is frozen")

    @pytest.mark.usefixtures("speeds")
    def test_views_that_are_shown_once_arent_kept(self, photos: Path, tmp_path: Path) -> None:
        (cache,) = self.planned(photos, tmp_path, strategy="feature-extraction")
        assert not cache.training
        assert cache.reason.startswith("each view is shown once")

    def test_views_in_turn_are_kept_and_counted(self, photos: Path, tmp_path: Path, speeds: PhaseSpeeds) -> None:
        recipe = {"strategy": "feature-extraction", "augment.views": 2, "head_only.epochs": 40}
        _, _, loader = prepare(photos, **recipe)
        (cache,) = self.planned(photos, tmp_path, **recipe)
        assert (cache.training, cache.validation) == (True, True)
        training, validation = len(loader.records("train")), len(loader.records("validation"))
        assert cache.rows == cache.missing == 2 * training + validation
        assert cache.row_bytes == speeds.row_bytes
        # A step costs three passes through the tail, a validation one; each of 40 epochs shows every picture.
        tails = 40 * (3 * training + validation) * 1e-4
        assert cache.seconds_without == pytest.approx(40 * (training + validation) * (2e-3 + 8e-3) + tails, abs=0.05)
        rows = (2 * training + validation + 40 * (training + validation)) * 1e-5
        assert cache.seconds_with == pytest.approx((2 * training + validation) * (2e-3 + 8e-3) + rows + tails, abs=0.05)
        run(photos, tmp_path, "on", **recipe)
        (again,) = self.planned(photos, tmp_path, **recipe)
        assert (again.missing, again.reason) == (0, "all of it is there already")

    def test_what_is_slower_to_read_than_to_compute_isnt_kept(
        self, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Speeds, "of", lambda *_: replace(SPEEDS, row=2e-2))
        (cache,) = self.planned(photos, tmp_path, strategy="feature-extraction", **{"augment.views": 2, "head_only.epochs": 40})
        assert (cache.training, cache.validation, cache.reason) == (False, False, "it would take longer")

    @pytest.mark.usefixtures("speeds")
    def test_there_may_be_no_room(self, photos: Path, tmp_path: Path) -> None:
        recipe = {"strategy": "feature-extraction", "augment.views": 2, "head_only.epochs": 40}
        plan, backend, loader = prepare(photos, **recipe)
        (cache,) = plan_cache(plan.phases, loader, backend, "auto", Place(tmp_path, 100))
        assert (cache.training, cache.validation, cache.reason) == (False, False, "there is no room for it")

    def test_planning_changes_nothing(self, photos: Path, tmp_path: Path) -> None:
        recipe = {"strategy": "gradual", "unfreeze.stages": 1, "augment.views": 2}
        results = []
        for use in ("auto", "off"):
            plan, backend, loader = prepare(photos, **recipe)
            plan_cache(plan.phases, loader, backend, use, Place(tmp_path / use, LIMIT))
            feeding = Feeding(loader, backend, plan, Place(tmp_path, 0))
            results.append(numbers(train_plan(plan, backend, feeding, Silent())))
        assert results[0] == results[1]
