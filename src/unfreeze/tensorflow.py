"""For a Keras model and a loader of your own.

import unfreeze.tensorflow

print(unfreeze.tensorflow.check_inputs(model, loader).explanation)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unfreeze.api.frameworks import load_backend
from unfreeze.inspection.finding import DataFinding

__all__ = ["check_inputs"]


def check_inputs(model: Any, batches: Iterable[Any], *, pictures: int = 32) -> DataFinding:
    """Whether a loader's pictures reach a pretrained network as they did in its pretraining; if not, the likely mistake.

    The model infers, on no more pictures at once than a batch holds, and is afterwards as it was. What was done to the
    pictures is read off the range of their values: there should be black and white in them, and no augmentation that goes
    beyond.

    Args:
        model: a pretrained `keras.Model` that takes the pictures alone; best before it is fine-tuned.
        batches: what the loader gives: tensors or arrays [B, H, W, 3] of any scale; tuples or lists that begin with one, such
            as (images, labels); dictionaries that hold one. As many are taken as hold `pictures`.
        pictures: how many to look at, at most, 1 or more; of fewer than 8 the order of red and blue isn't told.

    Returns:
        A finding: its `code` is `inputs-fit`, `inputs-mismatch` or `inputs-unknown`, `details["mistake"]` the mistake by name.

    Raises:
        DataError: there is no batch, it isn't of finite pictures in three colours, or the loader fails.
        ModelError: it isn't such a model, or it fails on the pictures.
        FrameworkError: tensorflow isn't installed.
    """
    load_backend("tensorflow")
    from unfreeze.backends.tensorflow import inputs

    return inputs.check_inputs(model, batches, pictures)
