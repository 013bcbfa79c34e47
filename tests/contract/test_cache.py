"""The cache changes nothing but time: a run from it and a run without it, over every boundary of three families of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.folders import class_folder
from unfreeze.api.preparation import prepare
from unfreeze.recipe.recipe import (
    Augment,
    Head,
    HeadOnly,
    Imbalance,
    Input,
    Optimizer,
    Recipe,
    Schedule,
    Unfreeze,
    Unfrozen,
)
from unfreeze.training.feeding import Feeding
from unfreeze.training.loop import train_plan
from unfreeze.training.watcher import Silent

SGD = Optimizer(name="sgd")  # TensorFlow traces it faster than Adam
# Each step unfreezes one stage more, until all train.
RECIPE = Recipe(
    weights="none",
    precision="float32",
    strategy="gradual",
    input=Input(side_px=32),
    head=Head(dropout=0.5),
    head_only=HeadOnly(epochs=2, rate=0.01, optimizer=SGD, schedule=Schedule(name="constant")),
    unfrozen=Unfrozen(epochs=1, rate=0.01, optimizer=SGD, schedule=Schedule(name="constant")),
)
# timm's own networks for tests: whole families, small. Each with other things on; augmentation and dropout always.
ALL = Unfreeze(stages=5)
FAMILIES: dict[str, dict[str, Any]] = {
    "test_resnet": {"imbalance": Imbalance(class_weights="balanced"), "augment": Augment(views=2), "unfreeze": ALL},
    "test_efficientnet": {
        "imbalance": Imbalance(oversample=True), "unfreeze": Unfreeze(stages=6, batchnorm="update"),
    },
    "test_convnext": {
        "imbalance": Imbalance(class_weights={"cat": 2.0, "dog": 1.0}), "augment": Augment(views=1), "unfreeze": ALL,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("pictures") / "photos", {"cat": 14, "dog": 7}, size=(40, 36))


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("family", FAMILIES)
def test_on_and_off_give_the_same_at_every_boundary(photos: Path, tmp_path: Path, family: str, framework: str) -> None:
    changes = FAMILIES[family]
    if framework == "tensorflow":  # tracing every step twice takes a minute
        changes = changes | {"unfreeze": Unfreeze(stages=3 if family == "test_efficientnet" else 1)}
    hold_against_each_other(photos, tmp_path, RECIPE.model_copy(update=changes), framework, family)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("family", ["test_resnet", "test_efficientnet"])  # the latter with SiLU, which Keras does by itself
def test_so_does_the_inference_engine(
    photos: Path, tmp_path: Path, family: str, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNFREEZE_ENGINE")
    recipe = RECIPE.model_copy(update={"unfreeze": Unfreeze(stages=1), "augment": Augment(views=1)})
    hold_against_each_other(photos, tmp_path, recipe, framework, family)


@pytest.mark.parametrize("engine", ["off", "on"])
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_scores_from_kept_activations_are_those_of_the_finished_model(
    photos: Path, tmp_path: Path, framework: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_ENGINE", engine)
    recipe = RECIPE.model_copy(update={"strategy": "feature-extraction", "augment": Augment(views=1)})
    changes = {"framework": framework, "model": "test_efficientnet", "cache": {"use": "on", "folder": str(tmp_path)}}
    job = prepare(photos, recipe, changes, None)
    encoded = []
    with Feeding(job.loader, job.backend, job.plan, job.cache, lambda *told: encoded.append(told)) as feeding:
        train_plan(job.plan, job.backend, feeding, Silent())
        for split, computed in (("validation", 0), ("test", len(job.loader.records("test"))), ("test", 0)):
            encoded.clear()
            kept = job.backend.predict(feeding.scoring(split))
            assert sum(done == total for done, total, _ in encoded) == (computed > 0)
            anew = job.backend.predict(job.loader.evaluation(split))
            if engine == "on":  # takes two pictures at a time, whatever the batch
                assert kept.tobytes() == anew.tobytes()
            np.testing.assert_allclose(kept, anew, atol=1e-6)


def hold_against_each_other(photos: Path, folder: Path, recipe: Recipe, framework: str, family: str) -> None:
    results = []
    for use in ("off", "on"):
        changes = {"framework": framework, "model": family, "cache": {"use": use, "folder": str(folder)}}
        job = prepare(photos, recipe, changes, None)
        frozen = [phase.boundary != "stem" for phase in job.plan.phases]
        assert any(frozen)
        assert [cache.training for cache in job.plan.cache] == [use == "on" and is_frozen for is_frozen in frozen]
        with Feeding(job.loader, job.backend, job.plan, job.cache) as feeding:
            outcome = train_plan(job.plan, job.backend, feeding, Silent())
        losses = [(record.train_loss, record.val_loss) for record in outcome.history]
        results.append((losses, job.backend.predict(job.loader.evaluation("test"))))
    (losses, predicted), (their_losses, their_predicted) = results
    np.testing.assert_allclose(their_losses, losses, rtol=2e-4)
    np.testing.assert_allclose(np.exp(their_predicted), np.exp(predicted), atol=2e-4)
