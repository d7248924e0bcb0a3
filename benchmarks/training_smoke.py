"""HAT and SelfAlign, on CAMERA and on VSRN, in small: each is trained on a thousand photographs, and asked for them.

Usage: python benchmarks/training_smoke.py --root SHARED [--system hat|camera|vsrn] [--work DIR] [--threads 1]
`--root` has data/flickr8k and, for the two that read region features, weights/mobilenetv2. What is learned is the split
`val`, 1,000 photographs; as many of `train` are held out. Prints, for the weights after the last step, the mean
loss of the first and of the last 20 steps and, in both thousands, how often the first caption of a photograph finds it
among the best ten, beside guessing.
"""

import argparse
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from indexer.pictures import pool_for, read_pictures
from model.checkpoint import load_encoder
from model.evaluation.captions import CaptionedImage, read_captions
from model.evaluation.protocol import evaluate_encoder
from model.framing import Framing
from model.regions.windows import pool_windows, window_boxes
from model.training.hardware import Arithmetic
from model.training.log import read_log
from model.training.loop import Progress
from model.training.pictures import load_pictures, whole_views
from model.training.recipe import read_recipe
from model.training.run import Places, train_recipe
from model.training.teacher import Teacher

SIDE, BATCH = 224, 32  # of the photographs
HELD_OUT, CHOOSING = 1000, 100  # photographs that are not learned, and those of them that choose the best checkpoint
DATA = """
name = "{system}-smoke"
[data]
captions = "captions.jsonl"
{look}
train = ["learned"]
validation = "choosing"
"""
WIDTH = 1280  # of the features
OPTIMIZATION = "lr = 1e-3, weight_decay = 0.0, warmup_steps = 40, checkpoint_every = 20"
BERT = "{ width = 128, layers = 2, heads = 4, feedforward = 256, positions = 64 }"
RECIPES = {
    "hat": f"""
[model]
vocabulary_size = 2500
[model.hat]
width = 64
text_layers = [1, 2, 2]
swin = {{ width = 16, depths = [1, 1, 2, 1], heads = [1, 2, 4, 8], window = 2, drop_path = 0.0 }}
bert = {{ width = 64, layers = 2, heads = 2, feedforward = 128, positions = 64 }}
[[stages]]
kind = "hat"
name = "stage"
images = 32
hardest = false
smallest_crop = 1.0
optimization = {{ epochs = 75, {OPTIMIZATION}, validate_every = 1000 }}
""",
    "camera": f"""
[model]
vocabulary_size = 2500
[model.camera]
feature_width = {WIDTH}
embedding_width = 128
heads = 4
views = 6
max_words = 48
bert = {BERT}
[[stages]]
kind = "selfalign"
name = "stage"
images = 50
prototypes = 128
bert_lr = 1e-3
optimization = {{ epochs = 15, {OPTIMIZATION}, validate_every = 100 }}
""",
    "vsrn": f"""
[model]
least_count = 2
[model.vsrn]
feature_width = {WIDTH}
embedding_width = 128
word_width = 128
[[stages]]
kind = "selfalign"
name = "stage"
images = 32
hardest = false
prototypes = 128
captioner = {{ hidden = 64, word_width = 64, longest = 16 }}
optimization = {{ epochs = 20, {OPTIMIZATION}, validate_every = 200 }}
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--system", choices=list(RECIPES), action="append")
    parser.add_argument("--work", type=Path, default=Path("runs/training-smoke"))
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    images = arguments.root.resolve() / "data" / "flickr8k" / "images"
    sets = read_sets(images.parent / "captions.jsonl")
    arguments.work.mkdir(parents=True, exist_ok=True)
    write_captions(sets, arguments.work / "captions.jsonl")
    for system in arguments.system or RECIPES:
        features = None
        if system != "hat":
            features = arguments.work / "features"
            write_features([images / one.image for own in sets.values() for one in own], features, root=arguments.root)
        began = time.perf_counter()
        log = train(system, images, arguments.work, features=features)
        print(f"{system}: trained for {time.perf_counter() - began:.0f} s; loss {log[0]:.3f} -> {log[-1]:.3f}")
        encoder = load_encoder(str(arguments.work / system / "stage" / "last"), features=features)
        for name, own in sets.items():
            with pool_for(encoder) as pool:
                pictures = read_pictures(pool, [images / one.image for one in own])
                report = evaluate_encoder(encoder, pictures, [one.captions[:1] for one in own])
            chance = 1000 / report.images
            told = (
                f"R@10 {report.t2i.r10:.1f} %, {report.t2i.r10 / chance:.1f} times chance; i2t {report.i2t.r10:.1f} %"
            )
            print(f"{system}, {name}: {report.captions} captions in {report.images} images: {told}", flush=True)


def read_sets(captions: Path) -> dict[str, list[CaptionedImage]]:
    others = np.random.default_rng(0).permutation(np.array(read_captions(captions, split="train"), dtype=object))
    return {"learned": read_captions(captions, split="val"), "held out": others[:HELD_OUT].tolist()}


def write_captions(sets: dict[str, list[CaptionedImage]], path: Path) -> None:
    learned = [(one, "learned") for one in sets["learned"]]
    held_out = [(one, "choosing" if row < CHOOSING else "held out") for row, one in enumerate(sets["held out"])]
    lines = [
        json.dumps({"image": one.image, "captions": one.captions, "split": split, "width": SIDE, "height": SIDE})
        for one, split in (*learned, *held_out)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_features(files: Sequence[Path], folder: Path, *, root: Path) -> None:
    """Windows of MobileNetV2's last map, kept as published regions are, unless they are there."""
    if (folder / "bu_box").exists():
        return
    (folder / "bu_att").mkdir(parents=True, exist_ok=True)
    arithmetic = Arithmetic(torch.device("cpu"), torch.float32)
    network = Teacher(root / "weights" / "mobilenetv2" / "mobilenetv2_224.onnx", arithmetic)
    pictures, boxes = load_pictures(files, framing=Framing(SIDE), folder=folder.parent / "cache"), window_boxes()
    for start in range(0, len(files), BATCH):
        *_, last = network(whole_views(pictures[start : start + BATCH]))
        windows = pool_windows(last, boxes).numpy()  # [n, 36, WIDTH]
        for file, features in zip(files[start : start + BATCH], windows, strict=True):
            np.savez(folder / "bu_att" / f"{file.stem}.npz", feat=features)
    (folder / "bu_box").mkdir()
    for file in files:
        np.save(folder / "bu_box" / f"{file.stem}.npy", boxes.numpy() * SIDE)


def train(system: str, images: Path, work: Path, *, features: Path | None) -> list[float]:
    """The losses of the log, first to last."""
    look = f'images = "{images}"' if features is None else 'features = "features"'
    recipe = work / f"{system}.toml"
    recipe.write_text(DATA.format(system=system, look=look) + RECIPES[system], encoding="utf-8")
    places = Places(root=work, work=work / system, output=work / system / "checkpoint")

    def watch(now: Progress) -> None:
        rsum = f", rsum {now.metrics['rsum']:.1f}" if now.metrics else ""
        if now.step % 20 == 0:
            print(f"{system} step {now.step} of {now.steps}: loss {now.loss:.3f}{rsum}", flush=True)

    train_recipe(read_recipe(recipe), places, device="cpu", watch=watch, stopping=threading.Event())
    return [row["loss"] for row in read_log(work / system / "stage") if "loss" in row]


if __name__ == "__main__":
    main()
