"""How fast a JPEG becomes what a network takes, by which library, and how far the pixels are from Pillow's.

    python benchmarks/decoding.py DATA [--pictures 200] [--repeats 7] [--network]

DATA holds one folder of JPEGs per class. Each is brought to a short side of 256 px, bicubic and antialiased, and its centre of
224 px is cut out: timm's evaluation transform for most networks. All ways take turns, each repeat on all pictures, by one
thread and by two; medians are printed as Markdown tables. Differences are counted in values of 0–255 against Pillow's whole
resize, which is what timm does. `--network` adds what the difference does to the probabilities of the bundled network.
OpenCV, kornia_rs and torchvision are taken where they are installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from unfreeze.data.picture import DECODER, decode_pixels, examine
from unfreeze.data.prepare import prepare, resize
from unfreeze.data.scan import scan
from unfreeze.recipe.network import InputContract

CONTRACT = InputContract(side_px=224)
SHORT_SIDE_PX, SIDE_PX = 256, 224
BICUBIC = Image.Resampling.BICUBIC
LARGE_PX = (4000, 3000)

Way = Callable[[bytes], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--network", action="store_true")
    options = parser.parse_args()
    paths = sorted(path for path in options.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    files = [path.read_bytes() for path in paths[:: max(1, len(paths) // options.pictures)][: options.pictures]]
    print(f"{len(files)} pictures of {sum(map(len, files)) / len(files) / 1000:.0f} kB on average; {DECODER}\n")
    compare_ways(files, options.repeats)
    compare_parts(files, options.repeats)
    compare_large(files, options.repeats)
    compare_scans(options.data)
    if options.network:
        compare_probabilities(files)


def sizes(width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The resized picture's size, and where the crop begins in it."""
    short = min(width, height)
    resized = int(SHORT_SIDE_PX * width / short), int(SHORT_SIDE_PX * height / short)
    return resized, (round((resized[0] - SIDE_PX) / 2), round((resized[1] - SIDE_PX) / 2))


def by_pillow(content: bytes) -> Any:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    size, (left, top) = sizes(*image.size)
    return np.asarray(image.resize(size, BICUBIC).crop((left, top, left + SIDE_PX, top + SIDE_PX)))


def by_pillow_box(content: bytes) -> Any:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    size, (left, top) = sizes(*image.size)
    across, down = image.width / size[0], image.height / size[1]
    box = left * across, top * down, (left + SIDE_PX) * across, (top + SIDE_PX) * down
    return np.asarray(image.resize((SIDE_PX, SIDE_PX), BICUBIC, box))


def by_pillow_and_fast_resize(content: bytes) -> Any:
    return prepare(Image.open(io.BytesIO(content)).convert("RGB"), CONTRACT)


def by_unfreeze(content: bytes) -> Any:
    return prepare(decode_pixels(content, "", SHORT_SIDE_PX), CONTRACT)


def cut(pixels: Any) -> Any:
    top, left = round((pixels.shape[0] - SIDE_PX) / 2), round((pixels.shape[1] - SIDE_PX) / 2)
    return pixels[top : top + SIDE_PX, left : left + SIDE_PX]


def by_opencv_area(content: bytes) -> Any:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    return cut(cv2.resize(pixels, sizes(pixels.shape[1], pixels.shape[0])[0], interpolation=cv2.INTER_AREA))


def by_kornia(content: bytes) -> Any:
    import kornia_rs

    pixels = simplejpeg.decode_jpeg(content, "RGB")
    return cut(kornia_rs.imgproc.resize(pixels, sizes(pixels.shape[1], pixels.shape[0])[0][::-1], "bicubic"))


def by_torchvision(content: bytes) -> Any:
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms.v2 import functional as change

    image = decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)
    image = change.resize(image, [SHORT_SIDE_PX], change.InterpolationMode.BICUBIC, antialias=True)
    return change.center_crop(image, [SIDE_PX, SIDE_PX]).permute(1, 2, 0).numpy()


def ways() -> dict[str, Way]:
    found: dict[str, Way] = {
        "Pillow, whole resize": by_pillow,
        "Pillow, `resize(box=…)`": by_pillow_box,
        "Pillow, fast_image_resize": by_pillow_and_fast_resize,
        "**unfreeze**: simplejpeg, fast_image_resize": by_unfreeze,
    }
    for module, name, way in (
        ("cv2", "OpenCV, INTER_AREA", by_opencv_area),
        ("kornia_rs", "simplejpeg, kornia_rs", by_kornia),
        ("torchvision", "torchvision", by_torchvision),
    ):
        if importlib.util.find_spec(module):
            found[name] = way
    for module in ("cv2", "torch"):
        if importlib.util.find_spec(module):
            library = importlib.import_module(module)
            (library.setNumThreads if module == "cv2" else library.set_num_threads)(1)
    return found


def seconds(work: Callable[[Any], Any], inputs: Sequence[Any], threads: int = 1) -> float:
    """Of wall time, for all inputs; what `work` gives is dropped at once, as a loader does."""

    def run(part: Sequence[Any]) -> None:
        for each in part:
            work(each)

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, [inputs[first::threads] for first in range(threads)]))
    return time.perf_counter() - started


def differences(way: Way, files: Sequence[bytes], expected: Sequence[Any]) -> str:
    counts = sum(
        np.bincount(np.abs(way(file).astype(int) - pixels).ravel(), minlength=256)
        for file, pixels in zip(files, expected, strict=True)
    )
    assert isinstance(counts, np.ndarray)
    total = counts.sum()
    mean = (counts * np.arange(256)).sum() / total
    return f"{mean:.4f} | {counts.nonzero()[0].max()} | {1 - counts[0] / total:.2%} | {counts[2:].sum() / total:.4%}"


def compare_ways(files: Sequence[bytes], repeats: int) -> None:
    found = ways()
    times: dict[tuple[str, int], list[float]] = {(name, threads): [] for name in found for threads in (1, 2)}
    for _ in range(repeats):
        for name, threads in times:
            times[name, threads].append(seconds(found[name], files, threads))
    expected = [by_pillow(file) for file in files]
    print("| file to 224 px | pictures/s, 1 thread | 2 threads | mean difference | largest | values that differ | by over 1 |")
    print("|---|---|---|---|---|---|---|")
    for name, way in found.items():
        speeds = [len(files) / statistics.median(times[name, threads]) for threads in (1, 2)]
        print(f"| {name} | {speeds[0]:.0f} | {speeds[1]:.0f} | {differences(way, files, expected)} |")
    print()


def compare_parts(files: Sequence[bytes], repeats: int) -> None:
    images = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
    arrays = [np.asarray(image) for image in images]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.jpg") for number in range(len(files))]
        for path, file in zip(paths, files, strict=True):
            path.write_bytes(file)
        parts: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]] = {
            "read the file": (Path.read_bytes, paths),
            "Pillow: open, EXIF": (lambda file: Image.open(io.BytesIO(file)).getexif(), files),
            "Pillow: decode": (lambda file: Image.open(io.BytesIO(file)).load(), files),
            "Pillow: copy (what `_upright` did)": (lambda image: image.copy(), images),
            "Pillow: to an array": (np.asarray, images),
            "Pillow: resize": (lambda image: image.resize(sizes(*image.size)[0], BICUBIC), images),
            "simplejpeg: decode": (lambda file: simplejpeg.decode_jpeg(file, "RGB"), files),
            "prepare (fast_image_resize)": (lambda array: prepare(array, CONTRACT), arrays),
            "random crop, Pillow": (lambda image: image.resize((224, 224), BICUBIC, (20, 30, 320, 330)), images),
            "random crop, `prepare.resize`": (lambda array: resize(array, (224, 224), "bicubic", (20, 30, 320, 330)), arrays),
            "scan: `examine`": (lambda file: examine(file, ""), files),
        }
        times: dict[str, list[float]] = {name: [] for name in parts}
        for _ in range(repeats):
            for name, (work, inputs) in parts.items():
                times[name].append(seconds(work, inputs))
    print("| part | ms |\n|---|---|")
    for name, taken in times.items():
        print(f"| {name} | {1000 * statistics.median(taken) / len(files):.3f} |")
    print()


def enlarged(file: bytes) -> bytes:
    """The picture as a phone of 12 megapixels would store it, with noise of its own."""
    image = Image.open(io.BytesIO(file)).convert("RGB")
    size = LARGE_PX if image.width >= image.height else LARGE_PX[::-1]
    noise = np.random.default_rng(0).normal(0, 4, (size[1], size[0], 1))
    pixels = np.clip(np.asarray(image.resize(size, Image.Resampling.LANCZOS)) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def compare_large(files: Sequence[bytes], repeats: int) -> None:
    large = [enlarged(file) for file in files[:: max(1, len(files) // 8)][:8]]
    whole = [prepare(decode_pixels(file, ""), CONTRACT) for file in large]
    found: dict[str, Way] = {
        "Pillow, whole": by_pillow,
        "unfreeze, whole": lambda file: prepare(decode_pixels(file, ""), CONTRACT),
    }
    for part in (2, 4, 8):
        # The largest short side for which so small a part is enough.
        wanted = int(min(LARGE_PX) / part / 2.5)
        spare = min(LARGE_PX) / part / SHORT_SIDE_PX
        found[f"unfreeze, 1/{part} ({spare:.1f} × what is needed here)"] = lambda file, wanted=wanted: prepare(
            decode_pixels(file, "", wanted), CONTRACT
        )
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(repeats):
        for name, way in found.items():
            times[name].append(seconds(way, large))
    print("| 12 megapixels to 224 px | ms | mean difference to the whole | largest | values that differ | by over 1 |")
    print("|---|---|---|---|---|---|")
    for name, way in found.items():
        print(f"| {name} | {1000 * statistics.median(times[name]) / len(large):.1f} | {differences(way, large, whole)} |")
    print()


def compare_scans(data: Path) -> None:
    print("| scan | pictures | seconds |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second", "third"):
            started = time.perf_counter()
            found = scan(data, index_folder=Path(folder))
            print(f"| {name} | {len(found.records)} | {time.perf_counter() - started:.2f} |")
    print()


def compare_probabilities(files: Sequence[bytes]) -> None:
    """What other pixels do to the bundled network's answers over the 1,000 classes of ImageNet."""
    import timm
    import torch

    from unfreeze.backends.torch.bundled import to_timm, weights_file

    network = timm.create_model("tf_efficientnet_lite0").eval()
    weights = torch.load(weights_file(), weights_only=True)
    classifier = {f"classifier.{name}": weights[f"_fc.{name}"] for name in ("weight", "bias")}
    network.load_state_dict(to_timm(weights, network) | classifier)

    def probabilities(way: Way) -> Any:
        images = torch.from_numpy(np.stack([way(file) for file in files])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return torch.cat([network((some / 255 - 0.5) / 0.5).softmax(1) for some in images.split(32)]).numpy()

    expected = probabilities(by_pillow)
    best = expected.argmax(1)
    print("| pixels by | mean change of the top probability | largest | other top class |\n|---|---|---|---|")
    for name, way in ways().items():
        found = probabilities(way)
        changes = np.abs(found - expected)[np.arange(len(best)), best]
        print(f"| {name} | {changes.mean():.5f} | {changes.max():.4f} | {(found.argmax(1) != best).sum()} of {len(best)} |")
    print()


if __name__ == "__main__":
    main()
