"""What the columns of a history are, guessed by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from unfreeze.diagnosis.foreign.rows import names
from unfreeze.errors import RecipeError, RunError, did_you_mean

# What can be taken from a history, and how it is called to people.
WHAT: Mapping[str, str] = {
    "epoch": "epoch",
    "train_loss": "training loss",
    "train_accuracy": "training accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "rate": "learning rate",
    "gradient_norm": "gradient norm",
}
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")

_SIDES = {
    "train": {"train", "training", "trn", "tr"},
    "val": {"val", "valid", "validation", "eval", "evaluation", "dev"},
    "test": {"test"},
}
# Best first.
_LOSS = (
    "loss",
    "cross entropy",
    "crossentropy",
    "cross entropy loss",
    "ce loss",
    "ce",
    "nll loss",
    "nll",
    "log loss",
    "logloss",
)
_ACCURACY = (
    "accuracy", "acc", "sparse categorical accuracy", "categorical accuracy", "binary accuracy", "multiclass accuracy",
    "top1", "top 1", "acc1", "acc 1", "prec1", "prec 1", "accuracy top1", "accuracy top 1", "top1 accuracy", "top 1 accuracy",
    "top1 acc", "acc top1",
)  # fmt: skip
_ERROR = ("error rate", "error", "err", "top1 error", "top1 err")
# Words without which a name means the same, and words that make another measure of it.
_NO_MATTER = {"metrics", "metric", "mean", "avg", "average", "running"}
_OTHER = {"best", "min", "max", "top", "top5", "top3", "k", "balanced", "ema", "std", "per", "weighted", "5", "acc5", "prec5"}
_PER_EPOCH, _PER_STEP = "epoch", "step"
_STEP = ("step", "global step", "iteration", "iter", "batch")
# Another name's accuracy or loss, such as a second output's: taken where there is just one.
_LAST_RESORT = 100


class Guess(NamedTuple):
    """Which column is what, and what to know about the choice, in words."""

    columns: dict[str, str]
    remarks: tuple[str, ...]


class _Name(NamedTuple):
    """A column's name taken apart: `kind` loss, accuracy, rate … or none, `side` train, val, test or none; lowest rank best."""

    column: str
    kind: str
    side: str
    rank: int


def guess_columns(columns: Sequence[str]) -> Guess:
    """What the columns are, by their names: those of Keras, Lightning, timm, fastai, Hugging Face and their like."""
    parts = [_apart(column) for column in columns]
    found: dict[str, list[_Name]] = {
        what: [part for part in parts if part.kind == what] for what in ("epoch", "rate", "gradient_norm")
    }
    remarks = []
    validation = "val" if any(part.side == "val" for part in parts) else "test"
    for kind in ("loss", "accuracy"):
        of_kind = {side: [one for one in parts if (one.kind, one.side) == (kind, side)] for side in ("train", validation, "")}
        found[f"train_{kind}"], found[f"val_{kind}"] = of_kind["train"], of_kind[validation]
        # Without a side it is training's in most tools; fastai names both losses, and its accuracy is of validation.
        losses = {one.side for one in parts if one.kind == "loss"}
        if kind == "accuracy" and not found["val_accuracy"] and {"train", validation} <= losses:
            found["val_accuracy"] = of_kind[""]
            remarks += [f"'{one.column}' is taken for validation's, as fastai means it" for one in of_kind[""][:1]]
        elif not found[f"train_{kind}"]:
            found[f"train_{kind}"] = of_kind[""]
    chosen = {}
    for what in WHAT:
        column, remark = _best(what, found[what])
        remarks += [remark] if remark else []
        if column is not None:
            chosen[what] = column
    if validation == "test" and {"val_loss", "val_accuracy"} & set(chosen):
        remarks.append("no column is of validation, so those of test stand in: if they chose the best epoch, they flatter it")
    return Guess(chosen, tuple(remarks))


def choose_columns(guess: Guess, columns: Sequence[str], said: Mapping[str, str]) -> Guess:
    """The guess, changed to what was said by hand; an empty column takes a guess back.

    Raises:
        RecipeError: a key that isn't in `WHAT`.
        RunError: a column that isn't there.
    """
    for what, column in said.items():
        if what not in WHAT:
            raise RecipeError(f"columns: there is no '{what}'.{did_you_mean(what, WHAT)} It can be {', '.join(WHAT)}.")
        if column and column not in columns:
            near = did_you_mean(column, columns)
            raise RunError(f"columns: {what}={column}, but there is no such column.{near} There are {names(columns)}.")
    kept = {what: column for what, column in guess.columns.items() if what not in said and column not in said.values()}
    chosen = kept | {what: column for what, column in said.items() if column}
    remarks = [remark for remark in guess.remarks if not any(f"'{column}'" in remark for column in said.values() if column)]
    return Guess({what: chosen[what] for what in WHAT if what in chosen}, tuple(remarks))


def step_column(columns: Sequence[str]) -> str | None:
    """The column that counts steps: where there is one, an epoch may have several rows."""
    return next((column for column in columns if " ".join(_words(column)) in _STEP), None)


def is_error_rate(column: str) -> bool:
    """Whether a column says how many are wrong, by its name."""
    return " ".join(word for word in _words(column) if not _side(word)) in _ERROR


def is_top_five(column: str) -> bool:
    """Whether a column is an accuracy among the first five."""
    return bool({"top5", "acc5", "prec5", "5"} & set(_words(column)))


def _words(column: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column).lower())


def _side(word: str) -> str:
    return next((side for side, words in _SIDES.items() if word in words), "")


def _apart(column: str) -> _Name:
    words = [word for word in _words(column) if word not in _NO_MATTER]
    if words in (["epoch"], ["epochs"]):
        return _Name(column, "epoch", "", 0)
    if words[:1] == ["lr"] or words == ["rate"] or words[:2] == ["learning", "rate"]:
        return _Name(column, "rate", "", len(words))
    if {"norm"} < set(words) and words[0] in ("grad", "gradient") and (len(words) == 2 or words[-1] == "total"):
        return _Name(column, "gradient_norm", "", len(words))
    side = next(filter(None, map(_side, words)), "")
    measure = [word for word in words if not _side(word)]
    # Lightning writes a mean per epoch beside the values of single steps.
    span = {_PER_EPOCH: 0, _PER_STEP: 2}.get(measure[-1], 1) if len(measure) > 1 else 1
    measure = measure if span == 1 else measure[:-1]
    kind, place = _kind(measure)
    return _Name(column, kind, side, 3 * place + span)


def _kind(measure: Sequence[str]) -> tuple[str, int]:
    name = " ".join(measure)
    for kind, known in (("loss", _LOSS), ("accuracy", _ACCURACY + _ERROR)):
        if name in known:
            return kind, known.index(name)
    if measure and not _OTHER & set(measure):
        if measure[-1] == "loss":
            return "loss", _LAST_RESORT
        if measure[-1] in ("accuracy", "acc"):
            return "accuracy", _LAST_RESORT
    return "", 0


def _best(what: str, candidates: Sequence[_Name]) -> tuple[str | None, str]:
    """The column that fits best, and what to say of it; none where several fit as badly."""
    if not candidates:
        return None, ""
    best = min(candidates, key=lambda one: one.rank)
    alike = [one.column for one in candidates if one.rank == best.rank]
    if len(alike) > 1 and best.rank >= 3 * _LAST_RESORT:
        return None, f'{names(alike)} could each be the {WHAT[what]}: say --columns "{what}={alike[0]}"'
    if len(alike) > 1:
        return best.column, f"{names(alike)} could each be the {WHAT[what]}: '{best.column}' is taken"
    return best.column, ""
