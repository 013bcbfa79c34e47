"""Near-identical pictures: what is joined in a folder as it is, which made copies are found, how long very many take.

    python benchmarks/duplicates.py DATA [--copies 250] [--many 100000]

Copies are made of a seeded sample of DATA, in memory; a copy is found where it is in one cluster with its original while all of
DATA is searched too. `--many` searches so many thumbnails mixed of those of DATA, with detail of their own, 2 % of them copies.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from unfreeze.data.likeness import find_alike
from unfreeze.data.picture import examine
from unfreeze.data.scan import scan
from unfreeze.data.thumbnail import BYTES, SIDE_PX, stack


def encoded(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, *parts: float) -> Image.Image:
    left, upper, right, lower = (part * side for part, side in zip(parts, image.size * 2, strict=True))
    return image.crop((round(left), round(upper), round(image.width - right), round(image.height - lower)))


def brightened(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def any_crop(image: Image.Image, chance: random.Random) -> Image.Image:
    return cropped(image, *(chance.uniform(0, 0.05) for _ in range(4)))


WAYS: dict[str, Callable[[Image.Image, random.Random], bytes]] = {
    **{f"quality {q}": lambda image, _, q=q: encoded(image, q) for q in (50, 70, 95)},
    **{f"size {f:.0%}": lambda image, _, f=f: encoded(resized(image, f)) for f in (0.5, 0.75, 1.5, 2.0)},
    "squeezed to 224 × 224": lambda image, _: encoded(image.resize((224, 224))),
    **{f"brightness {f:.0%}": lambda image, _, f=f: encoded(brightened(image, f)) for f in (0.5, 0.7, 0.8, 1.2)},
    "cropped by 5 % on one side": lambda image, _: encoded(cropped(image, 0.05, 0, 0, 0)),
    "cropped by 5 % on two sides": lambda image, _: encoded(cropped(image, 0.05, 0.05, 0, 0)),
    "cropped by 0–5 % on each side": lambda image, chance: encoded(any_crop(image, chance)),
    "cropped by 2 % on every side": lambda image, _: encoded(cropped(image, *[0.02] * 4)),
    "cropped by 5 % on every side": lambda image, _: encoded(cropped(image, *[0.05] * 4)),
    "cropped by 0–5 %, ± 20 %, 224 × 224, quality 60": lambda image, chance: encoded(
        brightened(any_crop(image, chance), chance.choice((0.8, 1.2))).resize((224, 224)), 60
    ),
    "another picture: cropped by 20 % on every side": lambda image, _: encoded(cropped(image, *[0.2] * 4)),
    "in grey": lambda image, _: encoded(image.convert("L")),
    "another picture: mirrored": lambda image, _: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
}


def mixed(thumbnails: list[bytes], count: int) -> list[bytes]:
    """`count` thumbnails mixed of three each, with noise of their own; the last fiftieth are copies of others."""
    generator = np.random.default_rng(0)
    known = stack(thumbnails).astype(np.float32)
    made = []
    for start in range(0, count - count // 50, 10_000):
        size = min(10_000, count - count // 50 - start)
        sources = generator.integers(0, len(known), (3, size))
        weights = generator.dirichlet([0.6] * 3, size).astype(np.float32)
        values = np.einsum("sn,nsv->nv", weights.T, known[sources].transpose(1, 0, 2))
        values[:, : SIDE_PX**2] += generator.normal(0, 4, (size, SIDE_PX**2))
        made += [bytes(row) for row in np.clip(values, 0, 255).astype(np.uint8)]
    for source in generator.integers(0, len(made), count // 50):
        values = np.frombuffer(made[source], np.uint8) + generator.normal(0, 0.7, BYTES)
        made.append(bytes(np.clip(values, 0, 255).astype(np.uint8)))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--copies", type=int, default=250)
    parser.add_argument("--many", type=int, default=0)
    asked = parser.parse_args()
    records = scan(asked.data).records
    originals = [record.thumbnail for record in records]
    start = time.process_time()
    alone = find_alike(tuple(originals))
    seconds = time.process_time() - start
    found = f"{len(alone.copies)} clusters, {len(alone.scenes)} scenes"
    print(f"{len(records)} pictures, {found}, {seconds:.1f} s of processor time")
    for cluster in (*alone.copies, *alone.scenes):
        print("  " + ", ".join(records[number].name for number in cluster))
    before = {number: set(cluster) for cluster in alone.copies for number in cluster}
    sample = random.Random(0).sample(range(len(records)), min(asked.copies, len(records)))
    images = {number: Image.open(records[number].path).convert("RGB") for number in sample}
    for way, make in WAYS.items():
        copies = [examine(make(images[number], random.Random(number)), "copy").thumbnail for number in sample]
        together = find_alike((*originals, *copies))
        found = {number: set(cluster) for cluster in together.copies for number in cluster}
        hits = sum(number in found.get(len(records) + place, ()) for place, number in enumerate(sample))
        wrong = sum(
            bool({other for other in cluster if other < len(records)} - before.get(number, {number}))
            for number, cluster in found.items()
            if number < len(records)
        )
        scenes = len(together.scenes) - len(alone.scenes)
        print(f"{way}: {hits / len(sample):.1%} found, {wrong} pictures joined to another, {scenes} more scenes", flush=True)
    if asked.many:
        many = mixed(originals, asked.many)
        held, start, processor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
        clusters = find_alike(tuple(many)).copies
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024
        print(
            f"{asked.many} thumbnails: {len(clusters)} clusters, {seconds:.0f} s, {processor:.0f} of processor, {more:.0f} MiB"
        )


if __name__ == "__main__":
    main()
