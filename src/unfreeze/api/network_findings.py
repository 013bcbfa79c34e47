"""What a network and a person's pictures say of each other: inputs that reach it wrongly, labels that its features dispute."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from unfreeze.api.finished import PREDICTION_BATCH
from unfreeze.cache.folder import INPUTS, cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Loader, load_files
from unfreeze.data.picture import decoding_threads
from unfreeze.errors import StorageError
from unfreeze.files import make_folder, write_json
from unfreeze.inspection import inputs
from unfreeze.inspection.conventions import of_contract
from unfreeze.inspection.finding import DataFinding, read_finding
from unfreeze.inspection.labels import cannot_tell, find_in_labels, judgeable
from unfreeze.reading import parse_json, read_text
from unfreeze.recipe.network import HEAD, InputContract
from unfreeze.recipe.recipe import Augment
from unfreeze.training.activations import Activations, Place
from unfreeze.training.backend import Backend
from unfreeze.training.encoding import as_float32

_T = TypeVar("_T")
# Of `find_in_inputs`: another one whenever the same is answered otherwise.
_METHOD = 1
# Of all pictures to train on: enough for the second kind of question of `inspection.inputs`, few enough for a moment.
_PICTURES_AT_START = 8


def check_files(paths: Sequence[Path], contract: InputContract, backend: Backend) -> DataFinding | None:
    """Whether pictures, prepared as the contract says, reach the network as in its pretraining; None where none can be read."""
    batches = [batch.images for batch in load_files(paths, contract, PREDICTION_BATCH, decoding_threads(), {})]
    if not batches:
        return None
    values = of_contract(contract).applied(np.concatenate(batches) / np.float32(255))
    return inputs.check_inputs(backend.arrivals, values, contract)


def find_in_inputs(dataset: Dataset, contract: InputContract, backend: Backend) -> list[DataFinding]:
    """The likely mistake in how a few of the pictures to train on reach the network; nothing where there is none to be told.

    The answer is kept in the cache folder: of the same network, contract and pictures it is asked once.
    """
    chosen = some([record for record in dataset.records if record.split in (None, "train")], _PICTURES_AT_START)
    kept = _kept_answer([record.content for record in chosen], contract, backend)
    finding = _read_answer(kept) if kept is not None else None
    if finding is None:
        finding = check_files([record.path for record in chosen], contract, backend)
        if finding is not None and kept is not None:
            with contextlib.suppress(StorageError):  # a cache that can't be written to costs time, not the training
                make_folder(kept.parent)
                write_json(kept, asdict(finding))
    return [finding] if finding is not None and finding.code == inputs.MISMATCH else []


def _kept_answer(contents: Sequence[str], contract: InputContract, backend: Backend) -> Path | None:
    """Where the answer is kept; None of a network that can't be told from others."""
    identity = backend.identify_prefix(HEAD)
    if identity is None:
        return None
    asked = [_METHOD, identity, contract.model_dump(mode="json"), *contents]
    key = hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=16).hexdigest()
    return cache_folder() / INPUTS / f"{key}.json"


def _read_answer(kept: Path) -> DataFinding | None:
    try:
        return read_finding(parse_json(read_text(kept)))
    except (OSError, ValueError, TypeError, KeyError):  # not there, or damaged
        return None


def find_disputed_labels(dataset: Dataset, contract: InputContract, backend: Backend, place: Place) -> list[DataFinding]:
    """The labels that the frozen network's features dispute, or why it couldn't be asked.

    The features are kept in the cache, where a training finds them.
    """
    records, identity = judgeable(dataset), backend.identify_prefix(HEAD)
    if identity is None:
        return [cannot_tell("the network's features can't be had apart from its head")]
    if len({record.label for record in records}) < 2:
        return [cannot_tell("fewer than two classes have two pictures that differ")]
    whole = replace(dataset, records=tuple(replace(record, split="train") for record in records))
    loader = Loader(whole, contract, PREDICTION_BATCH, Augment(), threads=decoding_threads())
    kept = Activations(HEAD, False, identity, loader, backend, place)
    with contextlib.closing(kept):
        batches = kept.batches("train", loader.evaluation_views("train"))
        features = np.concatenate([as_float32(batch.activations[0]) for batch in batches])
    return find_in_labels(records, features)


def some(items: Sequence[_T], count: int) -> list[_T]:
    """At most so many, evenly from first to last."""
    return [items[len(items) * place // count] for place in range(count)] if len(items) > count else list(items)
