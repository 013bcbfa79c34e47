"""What is found in the files themselves: those that can't be used, and those that are unlike what their names or shapes say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

import numpy as np

from unfreeze.data.bounds import LIMIT_VARIABLE
from unfreeze.data.dataset import Dataset, LeftOut, Record
from unfreeze.data.thumbnail import colour_of, stack
from unfreeze.inspection.finding import DataFinding, Severity

CODES = (
    "unreadable", "empty-file", "not-a-picture", "truncated", "damaged", "too-large",
    "linked-folder", "unused-file",
    "wrong-extension", "animated", "exif-turned", "tiny", "extreme-aspect",
    "cmyk", "high-bit-depth", "palette", "transparency", "grey-among-colour", "colour-among-grey",
)  # fmt: skip
# The long side over the short one. Networks take squares: of such a picture the central crop shows a third, or squeezing it
# distorts it threefold. cleanvision warns at 1 / 0.35 = 2.9.
EXTREME_ASPECT = 3.0
# A picture is tiny where it has to be enlarged more than this to fill the network's input.
MOST_ENLARGED = 2.0
# Of the other kind, at most this part; more are no exception but what the dataset is like.
_MINORITY = 0.25
# What Cb and Cr of a grey picture may be away from 0 after rounding and JPEG.
_GREY = 2.0
_EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
# What follows the last dot of a name needn't be an extension: IMG_2024.06.00.
_KNOWN = {ending for endings in _EXTENSIONS.values() for ending in endings} | {
    ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ico", ".svg", ".psd", ".dng", ".raw", ".eps",
    ".pdf", ".txt", ".html", ".zip", ".mp4", ".mov", ".dcm",
}  # fmt: skip
# Why a file was left out -> severity, what one is and several are, what to do.
_LEFT_OUT: dict[str, tuple[Severity, str, str]] = {
    "unreadable": ("error", "can't be read", "Training leaves such files out: make them readable, or remove them."),
    "empty-file": (
        "error",
        "is|are empty (0 bytes)",
        "Training leaves such files out: copy them again from where they came from, or remove them.",
    ),
    "not-a-picture": (
        "warning",
        "is|are in no format that can be read",
        "Training leaves such files out: move them out of the class folders, or convert pictures to JPEG or PNG.",
    ),
    "truncated": ("error", "ends|end too early", "Training leaves such files out: copy or download them again."),
    "damaged": ("error", "is|are damaged or truncated", "Training leaves such files out: copy or download them again."),
    "too-large": (
        "warning",
        "is|are larger than the limit",
        f"Training leaves such files out: reduce them, or raise the limit with {LIMIT_VARIABLE} if they are good.",
    ),
    "linked-folder": (
        "warning",
        "links|link to a folder",
        "Pictures behind such links aren't used: copy them into the class folder, or make that the link.",
    ),
    "unused": ("note", "is|are in no class folder, hidden, or of the system", "Such files aren't used, and needn't be."),
}  # fmt: skip


def find_in_files(dataset: Dataset, side_px: int) -> list[DataFinding]:
    """What is found in the files of a dataset.

    Args:
        dataset: as `scan` gives it.
        side_px: the side of the network's input, or what is usual.
    """
    found = [*_left_out(dataset.left_out), *_formats(dataset.records), *_shapes(dataset.records, side_px)]
    return [*found, *_colours(dataset.records)]


def _left_out(files: Iterable[LeftOut]) -> list[DataFinding]:
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for file in files:
        kinds[file.kind][file.name] = file.reason
    return _present(
        *(
            _finding("unused-file" if kind == "unused" else kind, severity, what, kinds[kind], advice)
            for kind, (severity, what, advice) in _LEFT_OUT.items()
            if kind in kinds
        )
    )


def _formats(records: Iterable[Record]) -> list[DataFinding]:
    wrong, animated, turned = {}, {}, {}
    for record in records:
        ending = PurePosixPath(record.name).suffix.lower()
        if ending in _KNOWN and ending not in _EXTENSIONS.get(record.format, (ending,)):
            wrong[record.name] = f"named {ending}, is {record.format}"
        if record.frames > 1:
            animated[record.name] = f"{record.frames} frames"
        if record.turned:
            turned[record.name] = f"{record.width} × {record.height} when upright"
    return _present(
        _finding(
            "wrong-extension",
            "note",
            "is|are in another format than the name says",
            wrong,
            "Such files are read by their content here; programs that go by the name may fail. Rename them.",
        ),
        _finding(
            "animated",
            "warning",
            "holds|hold more than one picture",
            animated,
            "Only the first is used. Store the others as files of their own if they should count.",
        ),
        _finding(
            "exif-turned",
            "note",
            "is|are stored turned or mirrored, as the EXIF data say",
            turned,
            "Such pictures are turned upright here. A program that doesn't look at EXIF shows the network something else.",
        ),
    )


def _shapes(records: Iterable[Record], side_px: int) -> list[DataFinding]:
    least = side_px / MOST_ENLARGED
    tiny, extreme = {}, {}
    for record in records:
        short, long = sorted((record.width, record.height))
        size = f"{record.width} × {record.height} pixels"
        if short < least:
            tiny[record.name] = size
        if long > EXTREME_ASPECT * short:
            extreme[record.name] = size
    return _present(
        _finding(
            "tiny",
            "warning",
            f"must be enlarged more than {MOST_ENLARGED:g} times to the {side_px} pixels of the input",
            tiny,
            "Enlarging adds no detail. Use larger pictures, or an input of fewer pixels (input.side_px) for all.",
            {"short_side_px": least},
        ),
        _finding(
            "extreme-aspect",
            "warning",
            f"is|are more than {EXTREME_ASPECT:g} times as long as wide",
            extreme,
            "The network sees a square cut from the middle. Crop such pictures to what matters.",
            {"aspect": EXTREME_ASPECT},
        ),
    )


def _colours(records: tuple[Record, ...]) -> list[DataFinding]:
    return _present(
        _of_mode(
            records,
            "cmyk",
            lambda mode: mode.startswith("CMYK"),
            "stores|store colour for print (CMYK)",
            "Convert such files to RGB yourself.",
        ),
        _of_mode(
            records,
            "high-bit-depth",
            lambda mode: ";16" in mode or mode.startswith(("I", "F")),
            "has|have more than 8 bits a channel",
            "Brought to 8 bits here, 16-bit levels divided by 257: where few of the levels are used, stretch them first.",
        ),
        _of_mode(
            records,
            "palette",
            lambda mode: mode.startswith("P"),
            "has|have a palette of colours",
            "Such files are converted to RGB.",
        ),
        _of_mode(
            records,
            "transparency",
            lambda mode: mode.endswith("+alpha"),
            "is|are transparent in places",
            "Such pictures are laid on white. Where another ground is right, lay them on it yourself.",
        ),
        *_mixed(records),
    )


def _of_mode(
    records: Iterable[Record], code: str, applies: Callable[[str], bool], what: str, advice: str
) -> DataFinding | None:
    # A GIF can't but have a palette.
    told = (record for record in records if applies(record.mode) and (code != "palette" or record.format != "GIF"))
    return _finding(code, "note", what, {record.name: f"colour mode {record.mode}" for record in told}, advice)


def _mixed(records: tuple[Record, ...]) -> list[DataFinding | None]:
    """The grey pictures where most have colour, or those with colour where most are grey."""
    known = [record for record in records if record.thumbnail]
    if not known:
        return []
    grey = np.abs(colour_of(stack([record.thumbnail for record in known]))).max(1) <= _GREY
    is_exception = grey if grey.mean() <= 0.5 else ~grey
    if not 0 < is_exception.mean() <= _MINORITY:
        return []
    code, what, others = (
        ("grey-among-colour", "is|are grey", "have colour")
        if is_exception is grey
        else ("colour-among-grey", "has|have colour", "are grey")
    )
    names = {record.name: f"colour mode {record.mode}" for record, odd in zip(known, is_exception, strict=True) if odd}
    advice = "Make sure that it isn't the class that decides which: a network would learn that instead."
    return [_finding(code, "note", f"{what}, the others {others}", names, advice)]


def _finding(
    code: str,
    severity: Severity,
    what: str,
    details: Mapping[str, str],
    advice: str,
    thresholds: Mapping[str, float] | None = None,
) -> DataFinding | None:
    """The finding about these files, or None where there are none.

    Args:
        what: what they are, the verb for one file and for several where they differ: `is|are empty`.
    """
    if not details:
        return None
    return DataFinding(
        code=code,
        severity=severity,
        explanation=_counted(len(details), what),
        groups=tuple((name,) for name in details),
        details=dict(details),
        measured={"files": float(len(details))},
        thresholds=dict(thresholds or {}),
        advice=advice,
    )


def _present(*findings: DataFinding | None) -> list[DataFinding]:
    return [finding for finding in findings if finding is not None]


def _counted(number: int, what: str) -> str:
    verbs, _, rest = what.partition(" ")
    one, _, several = verbs.partition("|")
    return f"1 file {one} {rest}" if number == 1 else f"{number} files {several or one} {rest}"
