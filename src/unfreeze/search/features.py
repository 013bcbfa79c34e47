"""What the pretrained network makes of the training pictures, stage by stage, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.load import Loader, View
from unfreeze.search.probe import Probe, probe
from unfreeze.training.backend import Backend, Encoded
from unfreeze.training.encoding import as_float32

# Enough for a standard error of 2 %, and as much as five folds at every stage can be fitted to in seconds.
MOST_PICTURES = 600


def probe_stages(backend: Backend, loader: Loader, seed: int) -> list[Probe]:
    """A linear probe of the pooled inputs of every stage, in forward order; the last is of the features the head will get.

    Stages at which the network can't be cut are passed over, and the whole answer is empty where there are too few pictures
    of every class.

    Raises:
        DataError: a picture can't be read any more.
    """
    views = _sample(loader)
    labels = loader.labels("train")[[view.picture for view in views]]
    # From one boundary to the next, batch by batch: no stage is computed twice, and no more than a few batches are held.
    stream: Iterator[Any] = loader.batches("train", views)
    pooled: dict[str, list[NDArray[np.float32]]] = {}
    for boundary in backend.network.stage_names[1:]:
        if backend.identify_prefix(boundary) is not None:
            pooled[boundary] = []
            stream = _noting(backend.encode(stream, boundary), pooled[boundary])
    for _ in stream:
        pass
    found = [probe(boundary, np.concatenate(rows), labels, seed) for boundary, rows in pooled.items()]
    return [one for one in found if one is not None]


def _noting(batches: Iterator[Encoded], rows: list[NDArray[np.float32]]) -> Iterator[Encoded]:
    for batch in batches:
        rows.append(_pooled(batch))
        yield batch


def _sample(loader: Loader) -> list[View]:
    """Training pictures as they are evaluated: evenly over the classes, at most `MOST_PICTURES`."""
    order = np.argsort(loader.labels("train"), kind="stable")
    count = min(len(order), MOST_PICTURES)
    return [View(int(order[len(order) * place // count]), None) for place in range(count)]


def _pooled(batch: Encoded) -> NDArray[np.float32]:
    """float32 [B, D]: the means over all places of the tensor with the most channels that crosses the boundary."""
    values = as_float32(max(batch.activations, key=lambda one: one.shape[-1]))
    return values.reshape(len(values), -1, values.shape[-1]).mean(axis=1) if values.ndim > 2 else values


def is_far(probes: Sequence[Probe]) -> bool:
    """Whether an earlier stage tells the classes apart better than the last, by more than noise.

    A network's last stages are made for its own classes. Where they tell these apart worse than stages before them do, the
    pictures are far from what it was trained on (Yosinski et al. 2014: how transferable features are).
    """
    if not probes:
        return False
    last, best = probes[-1], max(probes, key=lambda one: one.accuracy)
    return best.accuracy - last.accuracy > float(np.hypot(best.error, last.error))


def distance_in_words(probes: Sequence[Probe]) -> str:
    """How far the pictures are from what the network knows."""
    last, best = probes[-1], max(probes, key=lambda one: one.accuracy)
    if is_far(probes):
        return (
            f"far from what the network knows: before {best.boundary} it tells the classes apart better ({best.accuracy:.1%})"
            f" than at its end ({last.accuracy:.1%})"
        )
    return f"near to what the network knows: no stage tells the classes apart better than its end ({last.accuracy:.1%})"
