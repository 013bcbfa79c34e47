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


def open_search(job: Preparation, tell: Callable[[Plan], None], resume: bool = False) -> Steering | None:
    """Looks at the frozen features, and gives what steers the training from there on; None for other strategies.

    Args:
        tell: is given the plan with its evidence, whenever that grows.
        resume: whether it will go on from a checkpoint, which knows what the features were like.

    Raises:
        DataError: a picture can't be read any more.
    """
    if job.estimates is None:
        return None
    labels, budget = job.loader.labels("validation"), read_budget(job.recipe.budget)
    if resume:
        return Search(job.plan, labels, (), job.estimates, budget, tell)
    started = time.perf_counter()
    probes = probe_stages(job.backend, job.loader, job.plan.seed)
    search = Search(job.plan, labels, probes, job.estimates, budget, tell, time.perf_counter() - started)
    tell(search.plan)
    return search
