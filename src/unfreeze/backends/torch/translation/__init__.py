"""PyTorch's operations in the words of `exchange.graph`.

translator.py   the walk through the network as `torch.export` gives it
layout.py       which axis of a channels-last tensor holds which of PyTorch's dimensions
layers.py, arithmetic.py, functions.py, pooling.py, shapes.py
                one function for each kind of operation
padding.py      windows and what is around the border
"""

from unfreeze.backends.torch.translation import arithmetic, functions, layers, pooling, shapes  # noqa: F401  (they register)
from unfreeze.backends.torch.translation.translator import translate

__all__ = ["translate"]
