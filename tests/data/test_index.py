"""The index of scans: it never changes what a scan gives, saves reading what is unchanged, and never fails."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from support.folders import class_folder, write_picture
from unfreeze.data import index as module
from unfreeze.data import scan as scanning
from unfreeze.data.dataset import Dataset, LeftOut
from unfreeze.data.index import FILE_NAME, Facts, Index
from unfreeze.data.look import Look
from unfreeze.data.picture import Examined
from unfreeze.data.scan import scan, scan_for_training
from unfreeze.recipe.recipe import Data

FACTS = Facts("00ff", Examined(3, 4, "RGB", "PNG", 1, False, bytes(range(256)) + bytes(32)), Look(0.1, 0.9, 0.8, None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the index of the test lies."""
    return tmp_path / "cache"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small dataset, whose files count as old enough to be trusted."""
    monkeypatch.setattr(module, "_TICK_NS", 0)
    return class_folder(tmp_path / "pictures", {"cat": 5, "dog": 4}, size=(8, 8))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, in any order."""
    names: list[str] = []

    def spy(path: Path) -> bytes:
        names.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr(scanning, "read_bytes", spy)
    return names


def scanned(pictures: Path, folder: Path) -> Dataset:
    return scan(pictures, index_folder=folder)


class TestScanning:
    def test_second_scan_reads_nothing_and_finds_the_same(self, pictures: Path, folder: Path, read: list[str]) -> None:
        (pictures / "cat" / "text.jpg").write_text("no picture")
        plain = scan(pictures)
        read.clear()
        assert scanned(pictures, folder) == plain
        assert len(read) == 10
        read.clear()
        assert scanned(pictures, folder) == plain
        assert read == []
        assert plain.left_out[0].reason.startswith("not a picture")

    def test_for_training_too(self, pictures: Path, folder: Path, read: list[str]) -> None:
        first = scan_for_training(pictures, Data(), 0, index_folder=folder)
        read.clear()
        assert scan_for_training(pictures, Data(), 0, None, folder) == first
        assert read == []

    def test_only_what_is_new_or_changed_is_read(self, pictures: Path, folder: Path, read: list[str]) -> None:
        scanned(pictures, folder)
        read.clear()
        write_picture(pictures / "cat" / "new.png", seed=50)
        write_picture(pictures / "dog" / "001.png", seed=51, size=(9, 9))
        (pictures / "dog" / "002.png").unlink()
        dataset = scanned(pictures, folder)
        assert sorted(read) == ["001.png", "new.png"]
        assert dataset == scan(pictures)

    def test_other_bytes_of_the_same_size_and_time_are_noticed(self, pictures: Path, folder: Path, read: list[str]) -> None:
        path = write_picture(pictures / "cat" / "a.bmp", seed=1)
        before = scanned(pictures, folder)
        facts = path.stat()
        path.write_bytes(write_picture(pictures / "cat" / "a.bmp", seed=2).read_bytes())
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert path.stat().st_size == facts.st_size
        after = scanned(pictures, folder)
        assert after == scan(pictures)
        assert after.fingerprint != before.fingerprint

    def test_a_file_changed_just_now_is_read_again(
        self, pictures: Path, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_TICK_NS", 3600 * 10**9)
        scanned(pictures, folder)
        read.clear()
        scanned(pictures, folder)
        assert len(read) == 9

    def test_a_file_of_the_future_is_read_again(self, pictures: Path, folder: Path, read: list[str]) -> None:
        os.utime(pictures / "cat" / "000.png", (2**32, 2**32))
        scanned(pictures, folder)
        read.clear()
        scanned(pictures, folder)
        assert read == ["000.png"]

    def test_another_decoder_reads_all_again(
        self, pictures: Path, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scanned(pictures, folder)
        read.clear()
        monkeypatch.setattr(module, "DECODER", "another")
        scanned(pictures, folder)
        assert len(read) == 9

    def test_what_could_not_be_opened_is_tried_again(
        self, pictures: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (pictures / "cat" / "gone.png").symlink_to("nowhere.png")
        assert scanned(pictures, folder).left_out == (
            LeftOut("cat/gone.png", "can't be read (No such file or directory)", "unreadable"),
        )
        write_picture(pictures / "cat" / "nowhere.png")
        assert scanned(pictures, folder).left_out == ()

    def test_too_little_memory_is_tried_again(self, pictures: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        with monkeypatch.context() as patch:
            patch.setattr("unfreeze.data.picture._pixels", fail)
            patch.setattr(scanning, "_CHUNK", 1)
            with pytest.raises(scanning.DataError, match="there is too little memory to decode it"):
                scanned(pictures, folder)
        assert len(scanned(pictures, folder).records) == 9

    def test_a_killed_scan_goes_on_where_it_stopped(
        self, pictures: Path, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scanning, "_CHUNK", 2)

        def stop(done: int, _: int) -> None:
            raise KeyboardInterrupt

        write_pictures = class_folder(pictures, {"cow": 30}, size=(8, 8))
        with pytest.raises(KeyboardInterrupt):
            scan(write_pictures, progress=stop, index_folder=folder)
        read.clear()
        scanned(pictures, folder)
        assert len(read) == 39 - 16

    def test_without_a_folder_no_index_is_written(self, pictures: Path, tmp_path: Path) -> None:
        scan(pictures)
        assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
    def test_a_damaged_index_is_replaced(self, pictures: Path, folder: Path, read: list[str], content: bytes) -> None:
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(content)
        assert scanned(pictures, folder) == scan(pictures)
        read.clear()
        scanned(pictures, folder)
        assert read == []

    @pytest.mark.parametrize("every", [61, 509])
    def test_flipped_bytes_change_nothing(self, pictures: Path, folder: Path, every: int) -> None:
        plain = scanned(pictures, folder)
        path = folder / FILE_NAME
        whole = path.read_bytes()
        for start in range(0, len(whole), len(whole) // 12):
            content = bytearray(whole)
            content[start::every] = bytes(byte ^ 0x15 for byte in content[start::every])
            path.write_bytes(bytes(content))
            assert scanned(pictures, folder) == plain

    def test_a_row_that_says_something_else_is_not_believed(self, pictures: Path, folder: Path) -> None:
        plain = scanned(pictures, folder)
        with sqlite3.connect(folder / FILE_NAME) as connection:
            connection.execute("UPDATE files SET facts = replace(facts, 'RGB', 'L')")
        connection.close()
        assert scanned(pictures, folder) == plain

    def test_an_index_of_another_version_or_kind_is_replaced(self, pictures: Path, folder: Path, read: list[str]) -> None:
        folder.mkdir()
        for command in ("PRAGMA user_version = 99", "CREATE TABLE files (something INTEGER)"):
            (folder / FILE_NAME).unlink(missing_ok=True)
            connection = sqlite3.connect(folder / FILE_NAME)
            connection.execute(command)
            connection.close()
            for _ in range(3):
                read.clear()
                scanned(pictures, folder)
            assert read == []

    def test_a_folder_that_cannot_be_made(self, pictures: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert scanned(pictures, tmp_path / "file" / "cache") == scan(pictures)

    def test_deleted_during_a_scan(self, pictures: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scanning, "_CHUNK", 2)
        class_folder(pictures, {"cow": 30}, size=(8, 8))
        remove = lambda *_: (folder / FILE_NAME).unlink(missing_ok=True)  # noqa: E731
        assert scan(pictures, progress=remove, index_folder=folder) == scan(pictures)

    def test_locked_by_another(self, pictures: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
        scanned(pictures, folder)
        write_picture(pictures / "cat" / "new.png")
        other = sqlite3.connect(folder / FILE_NAME)
        other.execute("BEGIN EXCLUSIVE")
        assert scanned(pictures, folder) == scan(pictures)
        other.rollback()
        other.close()
        assert (folder / FILE_NAME).exists(), "locked isn't damaged"


def test_two_scans_at_once(pictures: Path, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_CHUNK", 1)
    results: list[Dataset] = []
    threads = [threading.Thread(target=lambda: results.append(scanned(pictures, folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [scan(pictures)] * 4
    read.clear()
    scanned(pictures, folder)
    assert read == []


class TestIndex:
    def test_empty_without_a_folder(self, tmp_path: Path) -> None:
        path = write_picture(tmp_path / "a.png")
        with Index(None) as index:
            assert index.stamps([path]) == [None]
            index.remember([path], [b"stamp"], [FACTS])
            assert index.look_up([path], [b"stamp"]) == [None]

    def test_gives_back_what_it_was_given(self, tmp_path: Path) -> None:
        odd = tmp_path / os.fsdecode(b"K\xe4fer \xf0\x9f\x90\x9b.png")
        unreadable = Facts("ab", kind="damaged", reason="damaged or truncated (broken \udce4)")
        paths, stamps = [odd, tmp_path / "b", tmp_path / "c"], [b"1", b"2", None]
        with Index(tmp_path) as index:
            index.remember(paths, stamps, [FACTS, unreadable, FACTS])
        with Index(tmp_path) as index:
            assert index.look_up(paths, [b"1", b"2", b"3"]) == [FACTS, unreadable, None]
            assert index.look_up(paths, [b"1", b"other", None]) == [FACTS, None, None]
            assert index.look_up([tmp_path / "d", odd], [b"1", b"1"]) == [None, FACTS]

    def test_place_is_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Index(tmp_path) as index:
            index.remember([tmp_path / "a"], [b"1"], [FACTS])
            monkeypatch.chdir(tmp_path)
            assert index.look_up([Path("a"), Path("b/../a")], [b"1", b"1"]) == [FACTS, FACTS]

    def test_rows_that_are_not_asked_for_leave(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        used, unused, new = (tmp_path / name for name in ("used", "unused", "new"))

        def on_day(day: int) -> Index:
            monkeypatch.setattr(module.time, "time_ns", lambda: day * 86_400 * 10**9)
            return Index(tmp_path)

        with on_day(0) as index:
            index.remember([used, unused], [b"1", b"1"], [FACTS, FACTS])
        with on_day(60) as index:
            assert index.look_up([used], [b"1"]) == [FACTS]
        with on_day(91) as index:
            index.remember([new], [b"1"], [FACTS])
        with on_day(91) as index:
            assert index.look_up([used, unused, new], [b"1"] * 3) == [FACTS, None, FACTS]
