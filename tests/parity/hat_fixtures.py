"""The published HAT's reference outputs, whichever of them a folder holds; their README says what each array is."""

import json
import math
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from comparison import Row, compare, equal
from PIL import Image
from safetensors.torch import load_file

from indexer.decode import decode
from model.cross_attention import CrossAttention, Direction, cross_attention
from model.embeddings import Picture
from model.evaluation.ranks import image_to_text_ranks, text_to_image_ranks, top
from model.framing import Framing
from model.hat.config import LEVELS
from model.hat.encoder import cut, normalised
from model.hat.network import Hat
from model.hat.published import (
    PublishedCheckpoint,
    load_published_weights,
    our_names,
    published_config,
    read_published,
)
from model.teran.encoder import pad_ids
from model.teran.tokenizer import Tokenizer
from model.training.losses import contrastive_loss

SETS, SCORES, LOSSES, GRADIENTS, STEPS = 1e-4, 5e-5, 1e-4, 1e-3, 2e-3
GREY_LEVEL = 1  # by which Pillow's versions differ
LEARNING_RATE = 1e-4
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


class Model:
    """What a folder describes, with its batch."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.weights, settings = weights_of(folder, config)
        published = PublishedCheckpoint(settings, self.weights)
        self.network = Hat(published_config(published, text_heads=config["bert"]["num_attention_heads"])).eval()
        load_published_weights(self.network, self.weights)
        self.margin, self.lambda_softmax = config["margin"], config["lambda_softmax"]
        inputs = dict(np.load(folder / "inputs.npz"))
        self.pixels = pixels_of(inputs)
        self.token_ids = torch.from_numpy(inputs["input_ids"])
        self.real = torch.from_numpy(inputs["attention_mask"]).bool()

    def levels(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        return self.network.encode_images(self.pixels), self.network.encode_tokens(self.token_ids, self.real)

    def scores(self, direction: Direction, images, texts, *, dtype=torch.float32) -> list[torch.Tensor]:
        """Of every level, [N, C]."""
        kernel = CrossAttention(direction, self.lambda_softmax)
        return [
            cross_attention(
                image.to(dtype), torch.ones(image.shape[:2], dtype=torch.bool), text.to(dtype), self.real, kernel=kernel
            )
            for image, text in zip(images, texts, strict=True)
        ]

    def loss(self, direction: Direction) -> torch.Tensor:
        total = torch.stack(self.scores(direction, *self.levels())).sum(dim=0)
        return contrastive_loss(total, margin=self.margin, hardest=True)


def weights_of(folder: Path, config) -> tuple[dict[str, torch.Tensor], dict]:
    """Weights by published names and the settings, from whichever of the three places the folder has."""
    if (folder / "checkpoint.ckpt").exists():
        published = read_published(folder / "checkpoint.ckpt")
        return dict(published.weights), {**config, **published.config}
    if (folder / "weights.safetensors").exists():
        return load_file(folder / "weights.safetensors"), config
    shapes = json.loads((folder / "state_dict_keys.json").read_text())
    return {
        name: fill(name, shape, seed=config["fill_seed"])
        for name, (shape, dtype) in shapes.items()
        if dtype.startswith("float") and not name.endswith("attn_mask")
    }, config


def fill(name: str, shape: list[int], *, seed: int) -> torch.Tensor:
    """The recipe of the README: SplitMix64 of the name and the place."""
    state = np.uint64((zlib.crc32(name.encode()) << 32) + seed)
    with np.errstate(over="ignore"):
        z = state + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    if name.endswith("relative_position_bias_table"):
        values = 0.5 * u
    elif len(shape) == 1:
        values = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
    else:
        values = u * np.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def pixels_of(inputs) -> torch.Tensor:
    if "pixel_values" in inputs:
        return torch.from_numpy(inputs["pixel_values"])
    whole = inputs["pixels_uint8"].transpose(0, 2, 3, 1)  # [n, S, S, 3]
    return normalised([Picture(pixels, pixels.shape[1], pixels.shape[0]) for pixels in whole])


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


# --- training --------------------------------------------------------------------------------------------------------


def compare_gradients(case: str, model: Model, outputs) -> Iterator[Row]:
    """Gradients of the projections, by how far they are off in proportion to their length."""
    for direction in Direction:
        wanted = {name: value for name, value in outputs.items() if name.startswith(f"grad_{direction}/")}
        if not wanted:
            continue
        gradients = gradients_of(model, direction)
        for name, expected in wanted.items():
            (own,) = our_names(name.split("/", 1)[1])
            distance = np.linalg.norm(gradients[own] - expected) / np.linalg.norm(expected)
            yield compare(case, f"{name}, relative", distance, 0, GRADIENTS)


def compare_training(case: str, model: Model, name: str, expected) -> Iterator[Row]:
    """`name` is like i2t_frozen: what learns is the projections, or everything."""
    direction, _, frozen = name.partition("_")
    if frozen == "frozen":
        for own, parameter in model.network.named_parameters():
            parameter.requires_grad_("projections" in own)
    gradients = gradients_of(model, Direction(direction))
    yield compare(case, "n_params_with_grad", len(published_names(model, gradients)), expected["n_params_with_grad"], 0)
    yield equal(case, "parameters with a gradient", published_names(model, gradients), set(expected["grad_l2"]))
    yield compare_lengths(case, gradients, expected["grad_l2"])
    losses = losses_of_steps(model, Direction(direction), steps=len(expected["losses_3_adam_steps"]))
    for step, (ours, published) in enumerate(zip(losses, expected["losses_3_adam_steps"], strict=True)):
        yield compare(case, f"loss before step {step}, relative", ours / published, 1, STEPS)


def compare_lengths(case: str, gradients, expected) -> Row:
    """All gradients in one row, which names the worst."""
    lengths = {
        name: math.sqrt(sum(float(np.square(gradients[own], dtype=np.float64).sum()) for own in our_names(name)))
        for name in expected
    }
    # That of a key's bias is zero, for it moves all logits of a softmax alike: what is recorded is rounding.
    scales = {name: 1.0 if name.endswith("attention.self.key.bias") else length for name, length in expected.items()}
    off = {name: abs(lengths[name] - length) / scales[name] for name, length in expected.items()}
    worst = max(off, key=off.__getitem__)
    return compare(case, f"grad_l2 of {len(off)}, relative; worst {worst}", off[worst], 0, GRADIENTS)


def gradients_of(model: Model, direction: Direction) -> dict[str, np.ndarray]:
    model.network.zero_grad()
    model.loss(direction).backward()
    learning = [(name, one.grad) for name, one in model.network.named_parameters() if one.grad is not None]
    return {name: gradient.numpy() for name, gradient in learning}


def published_names(model: Model, gradients) -> set[str]:
    return {name for name in model.weights if our_names(name) and all(own in gradients for own in our_names(name))}


def losses_of_steps(model: Model, direction: Direction, *, steps: int) -> Iterator[float]:
    optimiser = torch.optim.Adam((one for one in model.network.parameters() if one.requires_grad), lr=LEARNING_RATE)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = model.loss(direction)
        yield loss.item()
        loss.backward()
        optimiser.step()


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
