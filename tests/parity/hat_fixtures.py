"""The published HAT's reference outputs, whichever of them a folder holds; their README says what each array is."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from comparison import Row, compare, equal
from hat_model import Model
from hat_training import compare_gradients, compare_training
from PIL import Image

from indexer.decode import decode
from model.cross_attention import Direction
from model.embeddings import Picture
from model.evaluation.ranks import image_to_text_ranks, text_to_image_ranks, top
from model.framing import Framing
from model.hat.config import LEVELS
from model.hat.encoder import cut, normalised
from model.teran.encoder import pad_ids
from model.teran.tokenizer import Tokenizer
from model.training.losses import contrastive_loss

SETS, SCORES, LOSSES = 1e-4, 5e-5, 1e-4
GREY_LEVEL = 1  # by which Pillow's versions differ
CAPTIONS = 5


def check(root: Path) -> Iterator[Row]:
    for folder in sorted(path for path in [root, *root.rglob("*")] if path.is_dir()):
        if (folder / "inputs.npz").exists() and (folder / "outputs.npz").exists():
            yield from check_model(folder)
        elif (folder / "metrics.npz").exists():
            yield from check_metrics(folder)
        elif (folder / "tokenised.json").exists():
            yield from check_text(folder)
        elif (folder / "expected.json").exists():
            yield from check_preprocessing(folder)


# --- a network, small or of published size ---------------------------------------------------------------------------


def check_model(folder: Path) -> Iterator[Row]:
    case, model = folder.name, Model(folder)
    outputs = dict(np.load(folder / "outputs.npz"))
    scalars = json.loads((folder / "scalars.json").read_text()) if (folder / "scalars.json").exists() else {}
    if (folder / "fill_check.json").exists():
        yield from compare_fill(case, model.weights, json.loads((folder / "fill_check.json").read_text())["tensors"])
    with torch.inference_mode():
        yield from compare_inner(case, model, outputs)
        images, texts = model.levels()
        yield from compare_sets(case, model, images, texts, outputs)
        yield from compare_scores(case, model, images, texts, outputs)
        yield from compare_scalars(case, model, images, texts, scalars)
    yield from compare_gradients(case, model, outputs)
    for name, expected in scalars.get("train", {}).items():
        yield from compare_training(f"{case}/{name}", Model(folder), name, expected)


def compare_fill(case: str, weights, tensors) -> Iterator[Row]:
    for name, expected in tensors.items():
        values = weights[name].double().flatten()
        yield compare(case, f"fill {name}", values[: len(expected["first4"])], expected["first4"], 1e-7)
        yield compare(case, f"fill sum {name}", values.sum(), expected["sum_float64"], 1e-6)


def compare_inner(case: str, model: Model, outputs) -> Iterator[Row]:
    """What the backbones give; the norm of the first stage is published although nothing uses it."""
    if "swin_stage0_normed" in outputs:
        first = model.network.image_side.stages(model.pixels)[0]
        norm = [model.weights[f"vit_model.norm_0.{part}"] for part in ("weight", "bias")]
        stages = [F.layer_norm(first, first.shape[2:], *norm), *model.network.image_side.normed(model.pixels)]
        for number, stage in enumerate(stages):
            yield compare(case, f"swin_stage{number}_normed", stage, outputs[f"swin_stage{number}_normed"], SETS)
    if "bert_layer4" in outputs:
        hidden = model.network.sentence_side.hidden(model.token_ids, model.real)
        for layer, values in zip(model.network.config.text_layers, hidden, strict=True):
            yield compare(
                case, f"bert_layer{layer}", values, outputs[f"bert_layer{layer}"], SETS, where=model.real.numpy()
            )


def compare_sets(case: str, model: Model, images, texts, outputs) -> Iterator[Row]:
    for name, expected in outputs.items():
        side, _, rest = name.partition("_level")
        if side not in ("image", "text"):
            continue
        level, _, step = rest.partition("_every")
        ours = (images if side == "image" else texts)[int(level) - 1][:, :: int(step or 1)]
        yield compare(case, name, ours, expected, SETS, where=model.real.numpy() if side == "text" else None)


def compare_scores(case: str, model: Model, images, texts, outputs) -> Iterator[Row]:
    for direction in Direction:
        levels = model.scores(direction, images, texts)
        ours = {f"sim_{direction}_level{level}": scores for level, scores in zip(LEVELS, levels, strict=True)}
        ours[f"sim_{direction}"] = torch.stack(levels).sum(dim=0)
        for name, scores in ours.items():
            if name in outputs:
                yield compare(case, name, scores, outputs[name], SCORES)


def compare_scalars(case: str, model: Model, images, texts, scalars) -> Iterator[Row]:
    if "text_lengths" in scalars:
        yield compare(case, "text_lengths", model.real.sum(dim=1), scalars["text_lengths"], 0)
    for name, expected in scalars.items():
        if name.startswith("loss_"):
            direction, _, precision = name.removeprefix("loss_").partition("_")
            dtype = torch.float64 if precision == "float64" else torch.float32
            total = torch.stack(model.scores(Direction(direction), images, texts, dtype=dtype)).sum(dim=0)
            ours = contrastive_loss(total, margin=model.margin, hardest=True)
            yield compare(case, name, ours, expected, LOSSES)
    for name, expected in scalars.get("stats", {}).items():
        side, _, level = name.partition("_level")
        values = (images if side == "image" else texts)[int(level) - 1].double()
        yield compare(case, f"{name} shape", values.shape, expected["shape"], 0)
        if side == "image":  # of texts they hold what stands at padded places, which is of no meaning
            yield compare(case, f"{name} mean", values.mean(), expected["mean"], SETS)
            yield compare(case, f"{name} std", values.std(correction=0), expected["std"], SETS)
            yield compare(case, f"{name} absmax", values.abs().max(), expected["absmax"], SETS)
            yield compare(case, f"{name} l2, relative", values.norm() / expected["l2"], 1, SETS)


# --- what is around a network ----------------------------------------------------------------------------------------


def check_metrics(folder: Path) -> Iterator[Row]:
    case, arrays = folder.name, dict(np.load(folder / "metrics.npz"))
    wanted, similarity = json.loads((folder / "metrics.json").read_text()), arrays["similarity"]
    owners = np.repeat(np.arange(len(similarity)), CAPTIONS)
    sides = {
        "image_to_text": (image_to_text_ranks(similarity, owners), top(similarity, 1)),
        "text_to_image": (text_to_image_ranks(similarity, owners), top(similarity.T, 1)),
    }
    for side, (ranks, best) in sides.items():
        yield compare(case, f"{side}_ranks", ranks, arrays[f"{side}_ranks"], 0)
        yield compare(case, f"{side}_top1", best[:, 0], arrays[f"{side}_top1"], 0)
        for name, expected in wanted[side].items():
            yield compare(case, f"{side} {name}", metric(name, ranks), expected, 0)


def metric(name: str, ranks) -> float:
    match name:
        case "median_rank":
            return float(np.floor(np.median(ranks))) + 1
        case "mean_rank":
            return float(np.mean(ranks)) + 1
    return 100.0 * float(np.mean(ranks < int(name.removeprefix("R"))))


def check_text(folder: Path) -> Iterator[Row]:
    captions, content = (json.loads((folder / name).read_text()) for name in ("captions.json", "tokenised.json"))
    tokenizer, longest = Tokenizer(folder), content["max_words"]
    for caption, row in zip(captions, content["rows"], strict=True):
        tokens, told = cut(tokenizer(caption, append_full_stop=False), longest=longest), repr(caption[:40])
        padding = longest - len(tokens.ids)
        yield equal(folder.name, f"tokens {told}", list(tokens.pieces), row["tokens"])
        yield compare(folder.name, f"input_ids {told}", np.pad(tokens.ids, (0, padding)), row["input_ids"], 0)
        mask = np.pad(np.ones(len(tokens.ids)), (0, padding))
        yield compare(folder.name, f"attention_mask {told}", mask, row["attention_mask"], 0)
        yield compare(folder.name, f"token_type_ids {told}", np.zeros(longest), row["token_type_ids"], 0)
    ids, _ = pad_ids([cut(tokenizer(caption, append_full_stop=False), longest=longest) for caption in captions])
    width = ids.shape[1]
    yield compare(folder.name, "a batch", ids, [row["input_ids"][:width] for row in content["rows"]], 0)


def check_preprocessing(folder: Path) -> Iterator[Row]:
    framing = Framing(224, shorter_side=256)
    for item in json.loads((folder / "expected.json").read_text()):
        case, path = f"{folder.name}/{item['file']}", folder / item["file"]
        width, height = item["original_wh"]
        left, top_edge, *_ = framing.window(width, height)
        yield compare(case, "resized", framing.resized(width, height), item["resized_wh"], 0)
        yield compare(case, "top and left", (top_edge, left), (item["top"], item["left"]), 0)
        crop = np.load(path.with_name(f"{path.stem}_cropped_uint8.npz"))["crop"]
        decoded = decode(as_png(path), framing=framing)
        yield compare(case, "size", (decoded.width, decoded.height), item["original_wh"], 0)
        yield compare(case, "crop", decoded.pixels, crop, GREY_LEVEL)
        pixels = normalised([Picture(decoded.pixels, width, height)])[0].double()  # [3, S, S]
        level = GREY_LEVEL / 255 / 0.224  # a grey level of the least spread channel, normalised
        yield compare(case, "mean", pixels.mean(dim=(1, 2)), item["normalised_mean"], level)
        yield compare(case, "std", pixels.std(dim=(1, 2), correction=0), item["normalised_std"], level)
        yield compare(case, "corner pixel", pixels[:, 0, 0], item["corner_pixel"], level + 1e-6)


def as_png(path: Path) -> bytes:
    """Whatever is stored, without loss, as bytes that the decoder of the pipeline takes."""
    with Image.open(path) as image:
        buffer = BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()
