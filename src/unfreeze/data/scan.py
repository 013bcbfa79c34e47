"""From a folder to a dataset: every file read and decoded once, nothing skipped in silence."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from unfreeze.data.bounds import most_pixels
from unfreeze.data.content import read_bytes
from unfreeze.data.dataset import Dataset, LeftOut, Record
from unfreeze.data.index import Facts, Index
from unfreeze.data.layout import MANIFEST_COLUMNS, Found, Layout, read_layout
from unfreeze.data.look import Look
from unfreeze.data.picture import Examined, decoding_threads, examine, look_closely
from unfreeze.data.split import split_records
from unfreeze.errors import DataError, PictureError, did_you_mean
from unfreeze.recipe.recipe import Data

# What the scan tells about its progress: files done, files in all.
Progress = Callable[[int, int], None]
_CHUNK = 256


def scan(
    root: Path,
    classes: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    index_folder: Path | None = None,
    group_by: str | None = None,
    closely: bool = False,
) -> Dataset:
    """The dataset in a folder or manifest, with the splits the folder gives and no others.

    Args:
        root: see `layout.read_layout`.
        classes: keep these only, in this order; None keeps all, sorted by name.
        progress: called with (files done, files in all).
        index_folder: where the index of earlier scans lies, so that only files that are new or changed are read; None reads
            all.
        group_by: see `recipe.grouping`; which pictures stay in one split.
        closely: also how each picture looks, for which it is decoded a second time.

    Raises:
        DataError: the folder can't be used, a class asked for isn't there, a picture has no group where `group_by` asks for
            one, or no picture can be read.
    """
    most_pixels()  # where it can't be told, say it once and not for every picture
    layout = read_layout(root, group_by)
    present = sorted({file.label for file in layout.found})
    _check_known(root, classes, [*present, *layout.empty_classes])
    found = [file for file in layout.found if classes is None or file.label in classes]
    records, left_out = _read_all(found, progress, index_folder, closely)
    filled = {record.label for record in records}
    if not filled:
        raise DataError(f"{root}: no readable picture in {len(found)} files. {_first_reasons(left_out)}")
    names = tuple(name for name in (classes or present) if name in filled)
    empty = tuple(sorted({*(classes or (*present, *layout.empty_classes))} - filled))
    everything = tuple(sorted([*layout.left_out, *left_out], key=lambda file: file.name))
    decisions = tuple(_decisions(layout, empty, sorted({*present} - {*(classes or present)})))
    return Dataset(root, names, tuple(records), everything, decisions, empty, layout.splits)


def scan_for_training(
    root: Path,
    settings: Data,
    seed: int,
    progress: Progress | None = None,
    index_folder: Path | None = None,
    closely: bool = False,
) -> Dataset:
    """The dataset of a folder, with every picture in a split and fit to train on.

    Splits that the folder doesn't give are made: from all pictures where it gives none, from the training pictures
    where only `validation` is missing. A folder with training and validation pictures but no test pictures has no test
    score.

    Raises:
        DataError: as `scan`; fewer than 2 classes; a class with no picture to train on or fewer than 2 in all; a class
            in validation or test that training lacks.
    """
    dataset = with_splits(scan(root, settings.classes, progress, index_folder, settings.group_by, closely), settings, seed)
    _check_trainable(dataset)
    return replace(dataset, decisions=(*dataset.decisions, *_split_remarks(dataset)))


def with_splits(dataset: Dataset, settings: Data, seed: int) -> Dataset:
    """The dataset with a split for every record, and a remark on what was decided.

    Raises:
        DataError: there are fewer than two classes, or a class too small to be split.
    """
    if len(dataset.classes) < 2:
        raise DataError(
            f"{dataset.root}: one class only ('{dataset.classes[0]}'): there is nothing to tell apart. Add the folder"
            " of another class, for example one of pictures that are none of it."
        )
    if settings.resplit:
        dataset = _pooled(dataset)
    fractions = _missing_splits(dataset, settings)
    if not fractions:
        return dataset
    movable = [record for record in dataset.records if record.split in (None, "train")]
    fixed = [record for record in dataset.records if record.split not in (None, "train")]
    _check_large_enough(dataset.root, movable, fractions)
    records = sorted([*split_records(movable, fractions, seed), *fixed], key=lambda record: record.name)
    parts = ", ".join(f"{name} {fraction:.0%}" for name, fraction in fractions.items())
    what = "the pictures" if not dataset.splits else "the training pictures"
    ties = "identical and near-identical pictures and groups stay together"
    decision = f"split {what} by class into {parts} (seed {seed}); {ties}"
    return replace(dataset, records=tuple(records), decisions=(*dataset.decisions, decision))


def _pooled(dataset: Dataset) -> Dataset:
    """All pictures as if the folder gave no splits."""
    if not dataset.splits:
        return dataset
    records = tuple(replace(record, split=None) for record in dataset.records)
    decision = f"data.resplit: the folder's own splits ({', '.join(dataset.splits)}) are put together and made anew"
    return replace(dataset, records=records, given_splits=(), decisions=(*dataset.decisions, decision))


def refuse_half_split(dataset: Dataset) -> None:
    """Refuses a manifest that gives a split to some pictures and none to others.

    Raises:
        DataError: it does.
    """
    if dataset.splits and any(record.split is None for record in dataset.records):
        raise DataError(f"{dataset.root}: some pictures have a split and some have none: give one to all, or to none")


def _missing_splits(dataset: Dataset, settings: Data) -> dict[str, float]:
    refuse_half_split(dataset)
    unsplit, present = not dataset.splits, dataset.splits
    if "validation" in present:
        return {}
    validation, test = settings.validation_fraction, 0.0 if "test" in present or not unsplit else settings.test_fraction
    parts = {"train": 1 - validation - test, "validation": validation, "test": test}
    return {name: part for name, part in parts.items() if part > 0}


def _read_all(
    found: Sequence[Found], progress: Progress | None, index_folder: Path | None, closely: bool
) -> tuple[list[Record], list[LeftOut]]:
    records: list[Record] = []
    left_out: list[LeftOut] = []
    for done, (file, facts) in enumerate(zip(found, _facts(found, index_folder, closely), strict=True), start=1):
        if facts.picture is not None:
            records.append(_record(file, facts.content, facts.picture, facts.look))
        else:
            left_out.append(LeftOut(file.name, facts.reason, facts.kind))
        if progress is not None and (done % 16 == 0 or done == len(found)):
            progress(done, len(found))
    return records, left_out


def _facts(found: Iterable[Found], index_folder: Path | None, closely: bool) -> Iterator[Facts]:
    """What is in each file, by the index where it knows."""
    read_one = partial(_read_one, closely=closely)
    waiting = iter(found)
    with Index(index_folder) as index, ThreadPoolExecutor(decoding_threads()) as pool:
        # In chunks, so that a million files are not queued at once.
        while paths := [file.path for file in islice(waiting, _CHUNK)]:
            stamps = index.stamps(paths)
            known = index.look_up(paths, stamps)
            unknown = [place for place, facts in enumerate(known) if facts is None or (closely and _lacks_look(facts))]
            read = dict(zip(unknown, pool.map(read_one, [paths[place] for place in unknown]), strict=True))
            index.remember([paths[place] for place in read], [stamps[place] for place in read], list(read.values()))
            yield from (facts if facts and place not in read else read[place] for place, facts in enumerate(known))


def _lacks_look(facts: Facts) -> bool:
    return facts.picture is not None and facts.look is None


def _read_one(path: Path, closely: bool) -> Facts:
    digest = ""
    try:
        content = read_bytes(path)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        return Facts(digest, examine(content, path), look_closely(content, path) if closely else None)
    except PictureError as error:
        # Too little memory says nothing of the picture, and limits can be raised: without the hash it isn't remembered.
        lasting = error.kind != "too-large"
        return Facts(digest if lasting else "", kind=error.kind, reason=str(error).removeprefix(f"{path}: "))


def _record(file: Found, content: str, picture: Examined, look: Look | None) -> Record:
    return Record(file.folder, file.name, file.label, file.split, file.group, content, **picture._asdict(), look=look)


def _check_known(root: Path, classes: tuple[str, ...] | None, present: list[str]) -> None:
    if classes is None:
        return
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise DataError(f"{root}: data.classes names '{twice[0]}' more than once: each class is one output of the network")
    for name in classes:
        if name not in present:
            raise DataError(f"{root}: no class '{name}'.{did_you_mean(name, present)} It has {', '.join(sorted(present))}.")


def _decisions(layout: Layout, empty: Sequence[str], ignored: Sequence[str]) -> Iterator[str]:
    yield from (f"left out class '{name}': no readable picture in it" for name in empty)
    if ignored:
        yield f"left out by data.classes: {', '.join(ignored)}"
    if layout.ignored_columns:
        hints = "".join(did_you_mean(column, MANIFEST_COLUMNS) for column in layout.ignored_columns)
        yield f"columns that nothing was read from: {', '.join(layout.ignored_columns)}.{hints}"


def _check_large_enough(root: Path, records: list[Record], fractions: dict[str, float]) -> None:
    needed = 2 if "validation" in fractions else 1
    small = {label: count for label, count in Counter(record.label for record in records).items() if count < needed}
    if small:
        listed = ", ".join(f"'{label}' ({count})" for label, count in sorted(small.items()))
        raise DataError(
            f"{root}: too few readable pictures in {listed}: a class needs at least {needed}, one to train on and one"
            " to validate with. Add pictures, or leave the class out with data.classes."
        )


def _check_trainable(dataset: Dataset) -> None:
    counts = dataset.counts()
    if "train" not in counts:
        raise DataError(f"{dataset.root}: no training pictures: the splits found are {', '.join(dataset.splits)}")
    if "validation" not in counts:
        raise DataError(
            f"{dataset.root}: nothing is left to validate with: groups, identical and near-identical pictures stay together,"
            " and here they are too few to be split. Give more groups, or a split of your own."
        )
    untrained = [label for label in dataset.classes if not counts["train"][label]]
    if untrained:
        places = ", ".join(
            f"'{label}' ({', '.join(name for name in counts if counts[name][label])} only)" for label in untrained
        )
        raise DataError(
            f"{dataset.root}: nothing to train on for {places}. Move some pictures to train/, or leave the class out"
            " with data.classes."
        )


def _split_remarks(dataset: Dataset) -> list[str]:
    counts = dataset.counts()
    remarks = [
        f"{name} has no picture of {', '.join(repr(label) for label in missing)}: it can't be scored there"
        for name in ("validation", "test")
        if name in counts and (missing := [label for label in dataset.classes if not counts[name][label]])
    ]
    if "test" not in counts:
        remarks.append("no test pictures: the run will have no test score")
    return remarks


def _first_reasons(left_out: list[LeftOut]) -> str:
    return " ".join(f"{file.name}: {file.reason}." for file in left_out[:3])
