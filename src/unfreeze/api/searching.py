"""The strategy `auto`: what a training is steered by."""

from __future__ import annotations

import time
from collections.abc import Callable

from unfreeze.api.preparation import Preparation
from unfreeze.recipe.plan import Plan
from unfreeze.search.budget import read_budget
from unfreeze.search.features import probe_stages
from unfreeze.search.search import Search
from unfreeze.training.steering import Steering


def open_search(job: Preparation, tell: Callable[[Plan], None]) -> Steering | None:
    """Looks at the frozen features, and gives what steers the training from there on; None for other strategies.

    Args:
        tell: is given the plan with its evidence, whenever that has grown.

    Raises:
        DataError: a picture can't be read any more.
    """
    if job.estimates is None:
        return None
    started = time.perf_counter()
    probes = probe_stages(job.backend, job.loader, job.plan.seed)
    seconds = time.perf_counter() - started
    labels, budget = job.loader.labels("validation"), read_budget(job.recipe.budget)
    return Search(job.plan, labels, probes, job.estimates, budget, tell, seconds)
