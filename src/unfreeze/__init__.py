"""Fine-tune a pretrained CNN on your own folder of images: the right way, fast, and explained.

    import unfreeze

    run = unfreeze.train("photos/", model="resnet50", strategy="fine-tune-top")
    print(run.test.accuracy, run.test.interval)
    print(run.predict(["new.jpg"])[0].label)

Every command has a twin here. Importing this package loads no deep-learning framework.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unfreeze.api import (
        abstention,
        check_inputs,
        compare,
        convert,
        describe_model,
        diagnose,
        draw_plan,
        evaluate,
        find_rate,
        improve,
        inspect,
        models,
        open_run,
        plan,
        predict,
        read_table,
        resume,
        train,
        tune,
        write_report,
    )
    from unfreeze.errors import UnfreezeError

__version__ = version("unfreeze")
__all__ = [
    "UnfreezeError",
    "abstention",
    "check_inputs",
    "clear_cache",
    "compare",
    "convert",
    "describe_model",
    "diagnose",
    "draw_plan",
    "evaluate",
    "find_rate",
    "improve",
    "inspect",
    "list_cache",
    "models",
    "open_run",
    "plan",
    "predict",
    "read_table",
    "resume",
    "train",
    "tune",
    "write_report",
]


def __getattr__(name: str) -> Any:
    # Late, so that `import unfreeze` stays quick: the functions need NumPy, Grain and pydantic.
    if name == "UnfreezeError":
        from unfreeze.errors import UnfreezeError

        return UnfreezeError
    if name in ("keras", "torch"):  # what there is for a model of one's own
        return importlib.import_module(f"unfreeze.{name}")
    if name in __all__:
        from unfreeze import api

        return getattr(api, name)
    raise AttributeError(f"module 'unfreeze' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
