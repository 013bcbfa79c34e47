"""The floor: the least seconds in which a pass of the bundled network over some pictures could be done on this machine.

    python benchmarks/floor.py DATA

It is the decoding of every picture once, on all cores, at the speed of the fastest decoder at hand, and after that the
network's multiplications and additions once, at the speed of a large matrix product. DATA is a folder as the other benchmarks
take it. Printed as JSON:

    decode_pictures_s         JPEG to 224 × 224 RGB: by decoder, and `best`; the pictures must be JPEG
    matrix_gflops             of a product of 4096 × 4096 matrices, in float32 and bfloat16
    network_gflop             of one picture's forward pass, an addition and a multiplication counting as two
    floor_s                   of all pictures, once: decode, network, and both together
    full_floor_s              of an epoch of full retraining in float32: three passes over the training pictures, one over the
                              others
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from measure import cores
from peers.job import SHORT_SIDE_PX, SIDE_PX
from subset import by_split, find_pictures

MATRIX, MOST_DECODED, REPEATS = 4096, 400, 3
# A step of training does the work of about three forward passes.
TRAINING_PASSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    print(json.dumps(measure_floor(parser.parse_args().data)))


def measure_floor(data: Path) -> dict[str, Any]:
    groups = by_split(sorted(find_pictures(data)))
    pictures = sum(len(group) for group in groups.values())
    training = len(groups["train"])
    decoded = decoding_speeds([path for group in groups.values() for path in group])
    speeds = {name: matrix_gflops(getattr(torch, name)) for name in ("float32", "bfloat16")}
    gflop = network_gflop()
    decode, network = pictures / decoded["best"], pictures * gflop / max(speeds.values())
    passes = training * TRAINING_PASSES + pictures - training
    return {
        "pictures": pictures,
        "decode_pictures_s": rounded(decoded),
        "matrix_gflops": rounded(speeds),
        "network_gflop": round(gflop, 4),
        "floor_s": rounded({"decode": decode, "network": network, "together": decode + network}),
        "full_floor_s": round(decode + passes * gflop / speeds["float32"], 2),
    }


def decoding_speeds(paths: list[Path]) -> dict[str, float]:
    """Pictures a second of each decoder there is, on a thread per core; the median of three."""
    sample = paths[:: max(1, len(paths) // MOST_DECODED)]
    speeds = {}
    for name, open_decoder in DECODERS.items():
        with contextlib.suppress(ImportError):  # the second is optional
            decoder = open_decoder()
            speeds[name] = statistics.median(pictures_per_second(decoder, sample) for _ in range(REPEATS))
    return {**speeds, "best": max(speeds.values())}


def pictures_per_second(decoder: Callable[[Path], object], paths: list[Path]) -> float:
    torch.set_num_threads(1)  # the threads are ours
    started = time.perf_counter()
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(decoder, paths):
            pass
    seconds = time.perf_counter() - started
    torch.set_num_threads(cores())
    return len(paths) / seconds


def torchvision_decoder() -> Callable[[Path], object]:
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms.v2 import functional as F

    def decode(path: Path) -> object:
        image = decode_jpeg(read_file(str(path)), ImageReadMode.RGB)
        return F.center_crop(F.resize(image, [SHORT_SIDE_PX], antialias=True), [SIDE_PX, SIDE_PX])

    return decode


def simplejpeg_decoder() -> Callable[[Path], object]:
    import cv2
    import simplejpeg

    cv2.setNumThreads(1)

    def decode(path: Path) -> object:
        image = simplejpeg.decode_jpeg(path.read_bytes())
        scale = SHORT_SIDE_PX / min(image.shape[:2])
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = (resized.shape[0] - SIDE_PX) // 2, (resized.shape[1] - SIDE_PX) // 2
        return resized[top : top + SIDE_PX, left : left + SIDE_PX]

    return decode


DECODERS = {"torchvision": torchvision_decoder, "simplejpeg and OpenCV": simplejpeg_decoder}


def matrix_gflops(dtype: torch.dtype) -> float:
    one, other = torch.randn(MATRIX, MATRIX).to(dtype), torch.randn(MATRIX, MATRIX).to(dtype)
    result = one @ other
    seconds = []
    for _ in range(2 * REPEATS):
        started = time.perf_counter()
        torch.mm(one, other, out=result)
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX**3 / 1e9 / statistics.median(seconds)


def network_gflop() -> float:
    import timm
    from torch.utils.flop_counter import FlopCounterMode

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE_PX, SIDE_PX))
    return counter.get_total_flops() / 1e9


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


if __name__ == "__main__":
    main()
