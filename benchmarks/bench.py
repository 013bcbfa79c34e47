"""unfreeze against the tools people use, paired in one run, on a folder of pictures.

    python benchmarks/bench.py DATA [--work features exercise full again] [--peers plain fastai …] [--pictures 600]
                               [--repeats 3] [--peer-epochs 1] [--peer-pictures 900] [--without cache engine …] [--augment]
                               [--results FILE]

Run it in an environment that has the peers: `make bench DATA=folder` makes one. Everybody trains the bundled
EfficientNet-Lite0, from the same weights, on the same pictures (DATA's own train, validation and test), 256 px bicubic and the
middle 224, batches of 32, dropout 0.3 before a new dense layer, AdamW at 3e-3 for the head and 5e-4 for the base, validation
after each epoch, a saved model and the test accuracy at the end. Each measurement is a process of its own, from command to
finished model. Peers take turns, and each is a file in `benchmarks/peers/` that says what it does.

    features   feature extraction, 5 epochs
    exercise   5 epochs of the head, 5 epochs of the last block
    full       full retraining, one epoch (unfreeze trains the head for an epoch before: that counts in its total)
    again      unfreeze alone, feature extraction and then a second run on the same pictures with another head: what the first
               spends to fill the cache, and when the second starts training

The peers compute the same every epoch, so they needn't be waited for: `--peer-epochs K` runs them for K epochs of each phase
and adds the last one's seconds for each that is left out, `--peer-pictures N` on about N pictures, an epoch and the scoring
counting for as many more as there are. The table says so, and gives no accuracy for them. Keras always runs two epochs, for
its first traces. unfreeze is always run in full.

`--without` measures unfreeze once more for each thing named, with that alone switched off:

    cache      --cache off
    engine     UNFREEZE_ENGINE=off         the inference engine for the frozen part; the framework's own path instead
    allocator  UNFREEZE_ALLOCATOR=off      glibc gives freed memory back to the kernel
    precision  --precision float32         instead of bfloat16
    layout     peers/nchw.py               NCHW instead of channels last (PyTorch only)

Results are appended to a file of JSON lines (`--results`), one for each measurement as soon as it is there, so a run can be
split up and a peer that fails loses nothing but itself; the tables are made from the whole file (`--repeats 0` only prints
them). Every unfreeze measurement but the second of `again` begins with an empty cache; what is done once for a machine isn't
measured: the bundled network is carried over to Keras, and every picture is read once, so that none waits for the disk.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import cores, measure
from peers.job import RESULT, Job
from subset import link_subset, warm_up
from table import print_tables

WORK: dict[str, tuple[tuple[str, int], ...]] = {
    "features": (("head", 5),),
    "exercise": (("head", 5), ("last block", 5)),
    "full": (("whole", 1),),
    "again": (("head", 5),),
}
FLOOR, OURS = "floor", "peers.unfreeze_peer"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A tool: its module, its variant, the least epochs it must run, and what is switched off (for unfreeze)."""

    module: str
    variant: str = ""
    least_epochs: int = 1
    program: str = "unfreeze"
    flags: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


PEERS = {
    "plain": Peer("peers.plain"),
    "plain, same means": Peer("peers.plain", "same means"),
    "fastai": Peer("peers.fastai_peer"),
    "transformers": Peer("peers.transformers_peer"),
    "lightning": Peer("peers.lightning_peer"),
    "keras": Peer("peers.keras_peer", least_epochs=2),
    "unfreeze torch": Peer(OURS, "torch"),
    "unfreeze tensorflow": Peer(OURS, "tensorflow"),
}
WITHOUT: dict[str, dict[str, Any]] = {
    "cache": {"flags": ("--cache", "off")},
    "engine": {"environment": (("UNFREEZE_ENGINE", "off"),)},
    "allocator": {"environment": (("UNFREEZE_ALLOCATOR", "off"),)},
    "precision": {"flags": ("--precision", "float32")},
    "layout": {"program": "peers.nchw"},
}
TORCH_ONLY = {"layout"}


def main() -> None:
    options = read_options()
    with tempfile.TemporaryDirectory(prefix="unfreeze-bench-") as folder:
        if options.repeats:
            run_all(options, Path(folder))
    print_tables([json.loads(line) for line in options.results.read_text(encoding="utf-8").splitlines()])


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="{train,validation,test}/<class>/* or <class>/*")
    parser.add_argument("--work", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--pictures", type=int, default=0, help="about how many in all; 0 (the default) takes all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-epochs", type=int, default=0, help="of each phase; 0 (the default) runs all")
    parser.add_argument("--peer-pictures", type=int, default=0, help="about how many; 0 (the default) takes all of them")
    parser.add_argument("--without", nargs="+", choices=WITHOUT, default=[])
    parser.add_argument("--augment", action="store_true", help="random crops and mirror images")
    parser.add_argument("--results", type=Path, default=Path("bench-results.jsonl"))
    options = parser.parse_args()
    options.peers = select_peers(options.peers, options.without)
    return options


def select_peers(names: list[str], without: list[str]) -> dict[str, Peer]:
    """The peers by name, and each unfreeze with each thing switched off.

    An environment variable that this unfreeze doesn't read would measure nothing: that is refused.
    """
    peers = {name: PEERS[name] for name in names}
    for name in [name for name in names if PEERS[name].module == OURS]:
        for what in without:
            if what not in TORCH_ONLY or PEERS[name].variant == "torch":
                peers[f"{name} without {what}"] = dataclasses.replace(PEERS[name], **WITHOUT[what])
    unread = {variable for peer in peers.values() for variable, _ in peer.environment if not is_read(variable)}
    if unread:
        raise SystemExit(f"this unfreeze doesn't read {', '.join(sorted(unread))}: leave it out of --without")
    return peers


def is_read(variable: str) -> bool:
    import unfreeze

    return any(variable in file.read_text(encoding="utf-8") for file in Path(unfreeze.__file__).parent.rglob("*.py"))


def run_all(options: argparse.Namespace, folder: Path) -> None:
    """Measures everything, in turn, and keeps each result at once."""
    bench = Bench(options, folder)
    for work in options.work:
        for repeat in range(options.repeats):
            for name, peer in [(FLOOR, None), *options.peers.items()]:
                if work == "again" and peer is not None and peer.module != OURS:
                    continue
                record = bench.floor() if peer is None else bench.train(name, peer, work)
                record = {
                    "when": time.strftime("%Y-%m-%dT%H:%M:%S"),
                    "work": work,
                    "repeat": repeat,
                    "peer": name,
                    "flags": peer.flags if peer else (),
                    **record,
                }
                append(options.results, bench.settings | record)
                seconds = record.get("seconds")
                print(f"{work} {repeat + 1}/{options.repeats} {name}: {record.get('error') or seconds}", flush=True)


def append(results: Path, record: dict[str, Any]) -> None:
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


class Bench:
    """The pictures and weights of a run, in a folder of its own, and how one measurement is taken."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._data, self._part, self._weights, self._kept = (folder / name for name in ("data", "part", "weights", "kept"))
        self._counts = link_subset(options.data, options.pictures, self._data)
        self._part_counts = link_subset(options.data, options.peer_pictures or options.pictures, self._part)
        warm_up(self._data)
        self._weights.mkdir()
        self._run([sys.executable, "-m", "peers.weights", str(self._weights)], {"UNFREEZE_CACHE": str(self._kept)})
        self.settings = {"splits": self._counts, "augment": options.augment, "machine": machine()}

    def floor(self) -> dict[str, Any]:
        output = self._run([sys.executable, str(Path(__file__).with_name("floor.py")), str(self._data)], {})
        return json.loads(output.splitlines()[-1])

    def train(self, name: str, peer: Peer, work: str) -> dict[str, Any]:
        """One measurement; where it fails, why."""
        phases = self._phases(peer, work)
        ours = peer.module == OURS
        with tempfile.TemporaryDirectory(dir=self._folder) as out:
            cache = Path(out, "cache")
            if self._kept.is_dir():
                shutil.copytree(self._kept, cache)
            job = Job(
                data=str(self._data if ours else self._part),
                phases=phases,
                augment=self._options.augment,
                seed=0,
                variant=peer.variant,
                weights=str(self._weights),
                out=out,
                started=time.time(),
                again=work == "again",
                program=peer.program,
                flags=peer.flags,
            )
            log = Path(out, "log.txt")
            environment = {"UNFREEZE_CACHE": str(cache), **dict(peer.environment)}
            measured = measure([sys.executable, "-m", peer.module, job.to_json()], environment, log)
            result = Path(out, RESULT)
            if measured.status != 0 or not result.is_file():
                return {"error": keep_log(log, self._options.results, name, measured.status)}
            return finish(
                dataclasses.asdict(measured),
                json.loads(result.read_text(encoding="utf-8")),
                WORK[work],
                self._counts,
                self._counts if ours else self._part_counts,
            )

    def _phases(self, peer: Peer, work: str) -> tuple[tuple[str, int], ...]:
        most = self._options.peer_epochs
        if not most or peer.module == OURS:
            return WORK[work]
        return tuple((phase, min(epochs, max(most, peer.least_epochs))) for phase, epochs in WORK[work])

    def _run(self, command: list[str], environment: dict[str, str]) -> str:
        log = self._folder / "log.txt"
        measured = measure(command, environment, log)
        text = log.read_text(encoding="utf-8", errors="replace")
        if measured.status != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{text[-2000:]}")
        return text


def finish(
    measured: dict[str, Any],
    result: dict[str, Any],
    asked: tuple[tuple[str, int], ...],
    all_pictures: dict[str, int],
    pictures: dict[str, int],
) -> dict[str, Any]:
    """A record: seconds scaled up to the epochs and pictures asked for; the accuracy is of what was run."""
    from unfreeze.training.scores import accuracy_interval

    more = (all_pictures["train"] + all_pictures["validation"]) / (pictures["train"] + pictures["validation"])
    seconds = measured["seconds"]
    for phase, epochs in asked:
        run = [epoch["seconds"] for epoch in result["epochs"] if epoch["phase"] == phase]
        seconds += (epochs * more - len(run)) * run[-1]
    seconds += (all_pictures["test"] / pictures["test"] - 1) * result["parts"]["scoring"]
    record = {**result, **measured, "measured_seconds": measured["seconds"], "seconds": round(seconds, 2)}
    done = [(phase, sum(epoch["phase"] == phase for epoch in result["epochs"])) for phase, _ in asked]
    record["scaled"] = more != 1 or done != list(asked)
    record["epochs"] = [{**epoch, "seconds": round(epoch["seconds"] * more, 3)} for epoch in result["epochs"]]
    record["accuracy"] = result["right"] / result["pictures"]
    record["interval"] = accuracy_interval(result["right"], result["pictures"])
    record["test_pictures"] = record.pop("pictures")
    return record


def keep_log(log: Path, results: Path, name: str, status: int) -> str:
    """Keeps what a failed peer printed beside the results; its last line is the reason."""
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    kept = results.with_name(f"{results.stem}-{name.replace(' ', '-').replace(',', '')}.log")
    kept.write_text(text, encoding="utf-8")
    return f"status {status}: {(text.splitlines() or ['no output'])[-1]} ({kept})"


def machine() -> dict[str, Any]:
    return {"cores": cores(), "processor": next(processor_names(), platform.processor()), "python": platform.python_version()}


def processor_names() -> Iterator[str]:
    file = Path("/proc/cpuinfo")
    for line in file.read_text().splitlines() if file.is_file() else []:
        if line.startswith("model name"):
            yield line.partition(":")[2].strip()


if __name__ == "__main__":
    main()
