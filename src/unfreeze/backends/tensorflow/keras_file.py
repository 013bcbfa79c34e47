"""`.keras` files: written whole, and read without running any code of theirs."""

from __future__ import annotations

import contextlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from unfreeze.errors import RunError, StorageError, first_line
from unfreeze.files import next_step, temporary_name
from unfreeze.reading import check_readable

# Where a class of a file may come from: Keras itself.
_MODULES = ("keras", "keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints")
_MODULES_BELOW = ("keras.src.models.", "keras.src.ops.", "keras.src.applications.", "keras.src.layers.")
# Classes of Keras that call code from the file, open further files, or hold functions.
_REFUSED_CLASSES = (
    "Lambda", "__lambda__", "function", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup",
    "IntegerLookup", "TextVectorization", "Hashing",
)  # fmt: skip
# That of a network with a thousand layers has about two million bytes.
_LARGEST_CONFIG = 64 * 2**20
# What Keras writes, and stores without compressing it. Anything else would be unpacked, or be larger than it looks.
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
# A damaged zip fails in many ways: an unknown compression, a password, a broken stream, a name that isn't UTF-8.
_NOT_KERAS = (OSError, ValueError, KeyError, zipfile.BadZipFile, RuntimeError, zlib.error, EOFError)
_REFUSED_KEYS = ("safe_mode", "enable_unsafe_deserialization")


def read_keras(path: Path) -> keras.Model:
    """The model in a `.keras` file, not compiled.

    Raises:
        RunError: the file is missing or damaged, or holds anything but Keras's own layers and operations.
    """
    _refuse_foreign(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file fails in many ways, each of them "this file can't be used"
        raise RunError(f"{path}: can't be loaded ({first_line(error)}). Make it again, or give another file.") from None


def write_keras(model: keras.Model, path: Path) -> None:
    """Writes a model under a temporary name first, then renames it.

    Raises:
        StorageError: it can't be written; what was there before is still there.
    """
    temporary = temporary_name(path, ".keras")  # Keras wants this ending
    try:
        model.save(temporary)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error.strerror or error}){next_step(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _refuse_foreign(path: Path) -> None:
    """Before Keras sees the file, because it imports the modules that a file names."""
    try:
        check_readable(path, within=path.parent)
        with zipfile.ZipFile(path) as file:
            for member in file.infolist():
                if member.filename not in _MEMBERS:
                    raise ValueError(f"it holds {member.filename[:100]!r}, and a model's is only {', '.join(_MEMBERS)}")
                if member.file_size > path.stat().st_size + _LARGEST_CONFIG:
                    raise ValueError(f"{member.filename} unpacks to {member.file_size:,} bytes")
            if file.getinfo("config.json").file_size > _LARGEST_CONFIG:
                raise ValueError(f"its config.json is larger than {_LARGEST_CONFIG:,} bytes")
            config = json.loads(file.read("config.json"))
    except _NOT_KERAS as error:
        raise RunError(f"{path}: isn't a .keras file ({first_line(error)}). Make it again, or give another file.") from None
    for found in _foreign(config):
        raise RunError(
            f"{path}: holds {found}, and only Keras's own layers are loaded, because anything else could run code."
            " Give a model of built-in layers."
        )


def _foreign(config: Any) -> Iterator[str]:
    """What a configuration holds that isn't Keras's own, in words."""
    pending = [config]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        elif isinstance(part, dict):
            pending += part.values()
            yield from (f"the key {key}" for key in _REFUSED_KEYS if key in part)
            module, name = part.get("module"), part.get("class_name")
            if name in _REFUSED_CLASSES:
                yield f"a {name}"
            elif name is not None and not (isinstance(name, str) and name.isidentifier()):
                yield f"the class {name}"  # `layers.Lambda`: Keras would look it up below the module
            elif module is not None and not _is_kerass(module):
                yield f"{module}.{name}"
            elif ">" in str(part.get("registered_name")):
                yield f"the custom class {part['registered_name']}"


def _is_kerass(module: Any) -> bool:
    return isinstance(module, str) and (module in _MODULES or module.startswith(_MODULES_BELOW))
