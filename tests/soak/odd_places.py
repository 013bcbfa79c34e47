"""What a folder can hold under a name that ends in .jpg, and the names a picture can have."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from support.folders import write_picture


def _picture(folder: Path, name: str | bytes) -> str:
    """A good picture, as JPEG, under any name."""
    made = write_picture(folder / "to be renamed.jpg", seed=9)
    made.rename(Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name)))))  # noqa: PTH118, a name of bytes
    return os.fsdecode(name)


def _linked(folder: Path, to: str | Path, name: str = "x.jpg") -> str:
    (folder / name).symlink_to(to)
    return name


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "x.jpg")
    return "x.jpg"


def _link_to_pipe(folder: Path) -> str:
    outside = folder.parents[1] / f"pipe for {folder.parent.name}"
    outside.unlink(missing_ok=True)
    os.mkfifo(outside)
    return _linked(folder, outside)


def _socket(folder: Path) -> str:
    before = Path.cwd()
    os.chdir(folder)  # the path of a socket has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("x.jpg")
    finally:
        os.chdir(before)
    return "x.jpg"


def _circle(folder: Path) -> str:
    (folder / "a.jpg").symlink_to("b.jpg")
    (folder / "b.jpg").symlink_to("a.jpg")
    return "a.jpg"


def _deep(folder: Path) -> str:
    place = folder
    for _ in range(40):
        place = place / ("d" * 60)
    place.mkdir(parents=True)
    write_picture(place / "deep.png", seed=9)
    return str((place / "deep.png").relative_to(folder))


def _outside(folder: Path) -> str:
    return _linked(folder, write_picture(folder.parents[1] / f"outside {folder.parent.name}.png", seed=9).resolve())


def _sparse(folder: Path) -> str:
    with (folder / "x.jpg").open("wb") as file:
        file.truncate(2**40)
    return "x.jpg"


def _made(folder: Path, name: str) -> str:
    (folder / name).mkdir()
    return name


def _hidden(folder: Path) -> str:
    return _picture(folder, ".hidden.jpg")


def _forbidden(folder: Path) -> str:
    (folder / _picture(folder, "x.jpg")).chmod(0)
    return "x.jpg"


def _forbidden_folder(folder: Path) -> str:
    (folder / "inner").mkdir()
    shutil.copy(write_picture(folder / "inner" / "a.png", seed=9), folder / "inner" / "b.png")
    (folder / "inner").chmod(0)
    return "inner"


PLACES: dict[str, Callable[[Path], str]] = {
    "a pipe": _pipe,
    "a link to a pipe": _link_to_pipe,
    "a socket": _socket,
    "a link to a device": lambda folder: _linked(folder, "/dev/zero"),
    "a link to what no read ends": lambda folder: _linked(folder, "/dev/random"),
    "a link to a terminal": lambda folder: _linked(folder, "/dev/tty"),
    "a link to what can't be read": lambda folder: _linked(folder, "/proc/self/mem"),
    "a link to the memory": lambda folder: _linked(folder, "/proc/kcore"),
    "a link to a text outside": lambda folder: _linked(folder, "/etc/passwd"),
    "a folder named x.jpg": lambda folder: _made(folder, "x.jpg"),
    "links in a circle": _circle,
    "a link to itself": lambda folder: _linked(folder, "x.jpg"),
    "a link to nowhere": lambda folder: _linked(folder, "nowhere.jpg"),
    "a link to its folder": lambda folder: _linked(folder, ".", "inner"),
    "a link to a folder above": lambda folder: _linked(folder, "../..", "inner"),
    "a link to everything": lambda folder: _linked(folder, "/", "inner"),
    "a link to a name too long": lambda folder: _linked(folder, "n" * 300),
    "a picture outside": _outside,
    "a file of a terabyte of nothing": _sparse,
    "a hidden file": _hidden,
    "a file of the system": lambda folder: _picture(folder, "Thumbs.db"),
    "a file without permission": _forbidden,
    "a folder without permission": _forbidden_folder,
    "forty folders deep": _deep,
    "a name with a newline": lambda folder: _picture(folder, "a\nb.jpg"),
    "a name with control characters": lambda folder: _picture(folder, "\x1b[2J\x07\r\t\x7f.jpg"),
    "a name that turns right to left": lambda folder: _picture(folder, "a\u202egpj.exe"),
    "a name of 4-byte characters": lambda folder: _picture(folder, "😀🧬𝔘.jpg"),
    "a name that isn't UTF-8": lambda folder: _picture(folder, b"caf\xe9 \xff\xfe.jpg"),
    "a name of 255 bytes": lambda folder: _picture(folder, "n" * 251 + ".jpg"),
    "a name of 255 bytes of 4-byte characters": lambda folder: _picture(folder, "😀" * 62 + "aaa.jpg"),
    "a name that starts with -": lambda folder: _picture(folder, "-rf --help.jpg"),
    "a name of spaces": lambda folder: _picture(folder, "   "),
    "a name with markup": lambda folder: _picture(folder, "[bold red]<script>alert(1)<&quot;'\"`$(x) %s {0} \\n.jpg"),
    "a name that a table takes for a formula": lambda folder: _picture(folder, "=1+1,;\"'.jpg"),
    "a name without an ending": lambda folder: _picture(folder, "picture"),
}
# Those that hold one more good picture, under the name that their maker gives back.
PROMISED_GOOD = {
    "a picture outside", "a name with a newline", "a name with control characters", "a name that turns right to left",
    "a name of 4-byte characters", "a name that isn't UTF-8", "a name of 255 bytes", "a name of 255 bytes of 4-byte characters",
    "a name that starts with -", "a name of spaces", "a name with markup", "a name that a table takes for a formula",
    "a name without an ending", "forty folders deep",
}  # fmt: skip
