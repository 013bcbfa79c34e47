"""TensorFlow behind the port: Keras 3 networks, freezing, steps.

check          what can be refused before any picture is read
open_network   the network of a recipe with a new head
load_model     a finished model from its folder
list_models    what can be used, and `describe_network` one of it
read_tensors   a finished model's tensors, for the other framework; `write_model` makes a model of the other's
"""

from unfreeze.backends.tensorflow.guard import prepare_import

prepare_import()

from unfreeze.backends.tensorflow.backend import load_model, open_network  # noqa: E402
from unfreeze.backends.tensorflow.networks import check, describe_network, list_models  # noqa: E402
from unfreeze.backends.tensorflow.storage import read_tensors, write_model  # noqa: E402

__all__ = ["check", "describe_network", "list_models", "load_model", "open_network", "read_tensors", "write_model"]
