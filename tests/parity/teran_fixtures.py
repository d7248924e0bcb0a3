"""The published TERAN's reference outputs, whichever of them a folder holds; their README says what each array is."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import ranking_fixtures
import torch
from comparison import Row, compare, equal
from hash_fill import fill

from model.evaluation.ndcg import read_relevance
from model.evaluation.published_sets import read_coco, read_flickr30k
from model.evaluation.ranks import image_to_text_ranks, text_to_image_ranks
from model.regions.files import read_region_features
from model.scoring import Padding, Pooling, maxsim
from model.teran.config import BertSizes
from model.teran.encoder import pad_ids
from model.teran.network import Encoded, Teran
from model.teran.published import load_published_weights, published_bert_sizes, published_config, read_published
from model.teran.tokenizer import Tokenizer
from model.training.losses import Measure, contrastive_loss, matching_scores

EMBEDDINGS, SCORES, LOSSES, METRICS = 1e-5, 1e-4, 1e-4, 1e-6
DEFAULT_NETWORK = "concat_separate"  # of the folders of `tiny` that have no configuration
NEAR_TIE = 1e-4  # queries whose right answer is nearer than this to another are not ranked by our own scores


@dataclass(frozen=True)
class Items:
    """A batch as the fixtures store it: padded, with the class slot of images and the special pieces of sentences."""

    features: torch.Tensor | None
    boxes: torch.Tensor | None
    feat_len: torch.Tensor
    token_ids: torch.Tensor
    cap_len: torch.Tensor

    @classmethod
    def of(cls, arrays) -> "Items":
        names = ("features", "boxes", "feat_len", "token_ids", "cap_len")
        return cls(*(torch.from_numpy(arrays[name]) if name in arrays else None for name in names))

    def encode(self, network: Teran) -> tuple[Encoded, Encoded]:
        with torch.inference_mode():
            images = network.encode_regions(self.features[:, 1:], self.boxes[:, 1:], self.feat_len - 1)
            return images, network.encode_tokens(self.token_ids, self.cap_len)


def check(root: Path) -> Iterator[Row]:
    for folder in sorted(path for path in [root, *root.rglob("*")] if path.is_dir()):
        if (folder / "recipe.json").exists():
            yield from check_published_sizes(folder)
        elif any(folder.glob("*.pth.tar")):
            yield from check_checkpoints(folder)
        elif (folder / "expected.npz").exists():
            yield from check_data_set(folder, weights=weights_beside(folder, root))
        elif (folder / "outputs.npz").exists():
            yield from check_tiny(folder)
        elif (folder / "tokenizer_cases.json").exists():
            yield from check_tokenizer(folder)
        else:
            yield from ranking_fixtures.check(folder, metrics_tolerance=METRICS)


def weights_beside(folder: Path, root: Path) -> Path | None:
    """The small network that a data set was scored with; never one of other fixtures that lie near."""
    beside = folder.parent / "tiny" / "weights_common.npz"
    return beside if beside.exists() else next(iter(sorted(root.rglob("weights_common.npz"))), None)


# --- small networks, everything included -----------------------------------------------------------------------------


def check_tiny(folder: Path) -> Iterator[Row]:
    tiny = folder.parents[1] if folder.parent.name == "aggregation" else folder.parent
    outputs = dict(np.load(folder / "outputs.npz"))
    case = str(folder.relative_to(tiny.parent))
    if not (folder / "config.json").exists() and not (tiny / DEFAULT_NETWORK / "config.json").exists():
        print(f"{case}: not compared, the network of {tiny / DEFAULT_NETWORK} is missing", file=sys.stderr)
        return
    match folder.name:
        case "order_measure":
            yield from check_order(case, tiny, outputs)
        case "short_sentences":
            yield from check_short_sentences(case, tiny, folder, outputs)
        case "stopwords":
            yield from check_stopwords(case, tiny, folder, outputs)
        case _:
            network = tiny_network(tiny, folder)
            items = Items.of(dict(np.load(tiny / "inputs.npz")))
            yield from compare_outputs(case, network, items, outputs)
            yield from compare_losses(case, network, items, folder / "losses.json")


def check_order(case: str, tiny: Path, outputs) -> Iterator[Row]:
    images, sentences = Items.of(dict(np.load(tiny / "inputs.npz"))).encode(tiny_network(tiny))
    image, sentence = images.aggregate.abs(), sentences.aggregate.abs()
    yield compare(case, "img_aggr", image, outputs["img_aggr"], EMBEDDINGS)
    yield compare(case, "cap_aggr", sentence, outputs["cap_aggr"], EMBEDDINGS)
    ours = matching_scores(image, sentence, Measure.ORDER)
    yield compare(case, "order_sim", ours, outputs["order_sim"], SCORES)


def check_short_sentences(case: str, tiny: Path, folder: Path, outputs) -> Iterator[Row]:
    captions = json.loads((folder / "captions.json").read_text())
    ids, lengths = pad_ids([tokenizer_of(tiny)(caption, append_full_stop=False) for caption in captions])
    yield compare(case, "token_ids", ids, outputs["token_ids"], 0)
    yield compare(case, "cap_len", lengths, outputs["cap_len"], 0)
    items = replace(Items.of(dict(np.load(tiny / "inputs.npz"))), token_ids=ids, cap_len=lengths)
    # What was recorded for the empty sentence (two special pieces) has no meaning.
    yield from compare_outputs(case, tiny_network(tiny), items, outputs, sentences=(lengths > 2).numpy())


def check_stopwords(case: str, tiny: Path, folder: Path, outputs) -> Iterator[Row]:
    """The published code cuts all rows to the shortest that is left; ours pads, so ours is cut here to be compared."""
    tokenizer, network = tokenizer_of(tiny), tiny_network(tiny, folder)
    stopwords = json.loads((folder / "stopwords.json").read_text())
    captions = [item["caption"] for item in json.loads((tiny / "captions.json").read_text())]
    tokens = [tokenizer(caption, append_full_stop=False) for caption in captions]
    items = Items.of(dict(np.load(tiny / "inputs.npz")))
    images, sentences = items.encode(network)
    width = items.token_ids.shape[1]
    left = [[p for p in range(width) if p >= len(one.ids) or one.pieces[p] not in stopwords] for one in tokens]
    shortest = min(map(len, left))
    vectors = torch.stack([rows[places[:shortest]] for rows, places in zip(sentences.vectors, left, strict=True)])
    lengths = torch.tensor([len(one.scored(stopwords)) + 3 for one in tokens])
    yield compare(case, "cap_len", lengths, outputs["cap_len"], 0)
    real = torch.arange(shortest) < lengths[:, None]
    yield compare(case, "cap_emb", vectors, outputs["cap_emb"], EMBEDDINGS, where=real.numpy())
    ours = similarities(images.vectors, items.feat_len, vectors, lengths, Pooling.MR_SW, Padding.BATCH)
    yield compare(case, "sim_batch/MrSw", ours, outputs["sim_batch/MrSw"], SCORES)


def check_tokenizer(tiny: Path) -> Iterator[Row]:
    for name in ("tokenizer_cases.json", "captions.json"):
        for item in json.loads((tiny / name).read_text()) if (tiny / name).exists() else ():
            text = item.get("text", item.get("caption"))
            tokens = tokenizer_of(tiny)(text, append_full_stop=False)
            yield equal(f"{tiny.name}/{name}", repr(text[:40]), list(tokens.ids), item["ids"])


def tiny_network(tiny: Path, folder: Path | None = None) -> Teran:
    """The network of a folder of `tiny`."""
    folder = folder or tiny / DEFAULT_NETWORK
    config = json.loads((folder / "config.json").read_text())
    kind = config["image-model"]["pos-encoding"]
    weights = dict(np.load(tiny / "weights_common.npz")) | dict(np.load(tiny / f"weights_pos_{kind}.npz"))
    if (folder / "weights_extra.npz").exists():
        weights |= dict(np.load(folder / "weights_extra.npz"))
    if config["model"]["shared-transformer"]:
        weights = {name: value for name, value in weights.items() if ".transformer_encoder_2." not in name}
    stopwords = folder / "stopwords.json"
    return network_of(
        config,
        weights,
        published_bert_sizes(config, bert=tiny / config["text-model"]["pretrain"]),
        stopwords=tuple(json.loads(stopwords.read_text())) if stopwords.exists() else (),
    )


def network_of(config, weights, bert: BertSizes, *, stopwords: tuple[str, ...] = ()) -> Teran:
    network = Teran(published_config(config, bert=bert, stopwords=stopwords))
    load_published_weights(network, {name: torch.as_tensor(value) for name, value in weights.items()})
    return network.eval()


@cache
def tokenizer_of(tiny: Path) -> Tokenizer:
    """`tiny` holds one folder with a vocabulary."""
    return Tokenizer(next(iter(sorted(tiny.glob("*/vocab.txt")))).parent)


# --- published sizes: the weights are made by a recipe ---------------------------------------------------------------


def check_published_sizes(folder: Path) -> Iterator[Row]:
    recipe = json.loads((folder / "recipe.json").read_text())
    alias = recipe.get("alias", {})  # a second name of the same tensor
    weights = {p["name"]: fill(recipe["seed"], p) for p in recipe["parameters"] if p["name"] not in alias}
    weights |= {name: weights[source] for name, source in alias.items()}
    items = Items.of(dict(np.load(folder / "inputs.npz")))
    for name in ("separate", "shared"):
        if not (folder / f"outputs_{name}.npz").exists():
            continue
        config = json.loads((folder / f"config_{name}.json").read_text())
        own = {k: v for k, v in weights.items() if name == "separate" or ".transformer_encoder_2." not in k}
        network = network_of(
            config, own, bert_sizes_of(weights, layers=config["text-model"]["extraction-hidden-layer"])
        )
        case = f"{folder.name}/{name}"
        yield from compare_outputs(case, network, items, dict(np.load(folder / f"outputs_{name}.npz")))
        yield from compare_losses(case, network, items, folder / f"losses_{name}.json")


def bert_sizes_of(weights, *, layers: int) -> BertSizes:
    """BERT's own convention of 64 numbers a head says what the shapes of its weights do not."""
    table = "img_txt_enc.txt_enc.bert_model.embeddings.{}_embeddings.weight"
    vocabulary, width = weights[table.format("word")].shape
    inner = weights["img_txt_enc.txt_enc.bert_model.encoder.layer.0.intermediate.dense.weight"].shape[0]
    return BertSizes(
        vocabulary, width, layers, heads=max(1, width // 64), feedforward=inner,
        positions=len(weights[table.format("position")]), token_types=len(weights[table.format("token_type")]),
    )  # fmt: skip


# --- official containers and data sets -------------------------------------------------------------------------------


def check_checkpoints(folder: Path) -> Iterator[Row]:
    items = Items.of(dict(np.load(folder / "inputs.npz")))
    captions = json.loads((folder / "captions.json").read_text())
    tokenizer = Tokenizer(next(iter(sorted(folder.glob("*/vocab.txt")))).parent)
    ids, _ = pad_ids([tokenizer(caption, append_full_stop=False) for caption in captions])
    yield compare(folder.name, "token_ids", ids, items.token_ids, 0)
    for path in sorted(folder.glob("*.pth.tar")):
        checkpoint = read_published(path)
        network = network_of(
            checkpoint.config,
            checkpoint.weights,
            published_bert_sizes(checkpoint.config, bert=folder / checkpoint.config["text-model"]["pretrain"]),
        )
        expected = dict(np.load(folder / f"expected_{path.name.removesuffix('.pth.tar')}.npz"))
        yield from compare_outputs(f"{folder.name}/{path.name}", network, items, expected)


def check_data_set(folder: Path, *, weights: Path | None) -> Iterator[Row]:
    expected = dict(np.load(folder / "expected.npz"))
    split = (read_coco if (folder / "data" / "coco").is_dir() else read_flickr30k)(folder / "data", "test")
    owners = np.array(split.owners)
    if weights is not None:
        yield from compare_data_set_scores(folder, split, expected, weights.parent)
    wanted = json.loads((folder / "metrics.json").read_text())
    name = "coco" if (folder / "data" / "coco").is_dir() else "f30k"
    relevance = {
        kind: read_relevance(
            folder / "data" / name / "relevances" / f"{name}-test-{kind}.npy",
            sentences=len(owners), images=len(split.images),
        )
        for kind in ("rougeL", "spice")
    }  # fmt: skip
    for pooling in wanted:
        scores = expected[f"sim_eval/{pooling}"]
        yield from ranking_fixtures.compare_ranking(
            f"{folder.name}/{pooling}", scores, relevance, wanted[pooling], metrics_tolerance=METRICS,
            i2t_ranks=expected[f"i2t_ranks/{pooling}"], t2i_ranks=expected[f"t2i_ranks/{pooling}"],
        )  # fmt: skip


def compare_data_set_scores(folder: Path, split, expected, tiny: Path) -> Iterator[Row]:
    """From the files on disk to scores and ranks, with the weights of the small network."""
    network, tokenizer = tiny_network(tiny), tokenizer_of(tiny)
    regions = read_region_features(folder / "features_36", split.images)
    ids, lengths = pad_ids([tokenizer(sentence, append_full_stop=False) for sentence in split.sentences])
    with torch.inference_mode():
        images = network.encode_regions(regions.features, regions.boxes, regions.counts)
        sentences = network.encode_tokens(ids, lengths)
    case = folder.name
    yield compare(case, "img_len", regions.counts + 1, expected["img_len"], 0)
    yield compare(case, "cap_len", lengths, expected["cap_len"], 0)
    for name, ours, counts in (
        ("img_emb", images.vectors, regions.counts + 1),
        ("cap_emb", sentences.vectors, lengths),
    ):
        rows, width = expected[name].shape[:2]
        real = torch.arange(width) < counts[:rows, None]
        yield compare(case, name, ours[:rows, :width], expected[name], EMBEDDINGS, where=real.numpy())
    for pooling in (key.removeprefix("sim_eval/") for key in expected if key.startswith("sim_eval/")):
        ours = similarities(
            images.vectors, regions.counts + 1, sentences.vectors, lengths, Pooling(pooling), Padding.REFERENCE
        ).numpy()
        yield compare(case, f"sim_eval/{pooling}", ours, expected[f"sim_eval/{pooling}"], SCORES)
        owners = np.array(split.owners)
        for side, ranks in (("i2t", image_to_text_ranks(ours, owners)), ("t2i", text_to_image_ranks(ours, owners))):
            clear = expected[f"{side}_gap/{pooling}"] >= NEAR_TIE
            yield compare(
                case, f"{side} own ranks/{pooling}", ranks, expected[f"{side}_ranks/{pooling}"], 0, where=clear
            )


# --- arrays ----------------------------------------------------------------------------------------------------------


def compare_outputs(case: str, network: Teran, items: Items, outputs, *, sentences=None) -> Iterator[Row]:
    """Every array of `outputs`; `sentences` [C] bool, when given, says which of them have a meaning."""
    sentences = np.ones(len(items.cap_len), dtype=bool) if sentences is None else sentences
    image_places = (torch.arange(items.features.shape[1]) < items.feat_len[:, None]).numpy()
    text_places = (torch.arange(items.token_ids.shape[1]) < items.cap_len[:, None]).numpy() & sentences[:, None]
    stages, hooks = record_stages(network)
    images, captions = items.encode(network)
    for hook in hooks:
        hook.remove()
    ours = {
        "img_emb": (images.vectors, image_places),
        "cap_emb": (captions.vectors, text_places),
        "img_aggr": (images.aggregate, None),
        "cap_aggr": (captions.aggregate, None),
    } | {name: (stages[name], image_places if "img" in name else text_places) for name in stages}
    for name, expected in outputs.items():
        if name in ours:
            values, where = ours[name]
            yield compare(case, name, values, expected, EMBEDDINGS, where=where)
        elif name == "sim_matching_dot":
            values = matching_scores(images.aggregate, captions.aggregate, Measure.DOT)
            yield compare(case, name, values, expected, SCORES)
        elif name.startswith("sim_"):
            form, pooling = name.split("/")
            values = scores_of_form(
                form, images.vectors, items.feat_len, captions.vectors, items.cap_len, Pooling(pooling)
            )
            where = np.broadcast_to(sentences, expected.shape)
            yield compare(case, name, values, expected, SCORES, where=where)


def record_stages(network: Teran):
    """Arrays inside of the network, kept as it runs."""
    stages = {}
    places = {
        "stage_img_pos": network.image_side.box_encoding,
        "stage_img_te": network.image_side.transformer,
        "stage_img_proj": network.image_side.projection,
        "stage_bert": network.sentence_side.bert,
        "stage_cap_proj": network.sentence_side.projection,
    }

    def keep(name):
        def hook(_module, _inputs, output):
            stages[name] = output if isinstance(output, torch.Tensor) else output.last_hidden_state

        return hook

    return stages, [module.register_forward_hook(keep(name)) for name, module in places.items()]


def scores_of_form(form: str, images, feat_len, captions, cap_len, pooling: Pooling) -> torch.Tensor:
    if form != "sim_pairwise":
        padding = {"sim_batch": Padding.BATCH, "sim_eval": Padding.REFERENCE}[form]
        return similarities(images, feat_len, captions, cap_len, pooling, padding)
    # Every pair alone, and all of them at once without padding: both must be the published numbers.
    whole = similarities(images, feat_len, captions, cap_len, pooling, Padding.EXACT)
    for i, j in np.ndindex(len(images), len(captions)):
        alone = similarities(
            images[i : i + 1, : feat_len[i]], feat_len[i : i + 1],
            captions[j : j + 1, : cap_len[j]], cap_len[j : j + 1], pooling, Padding.EXACT,
        )  # fmt: skip
        if (alone - whole[i, j]).abs().max() > SCORES:
            return torch.full_like(whole, torch.inf)
    return whole


def similarities(images, feat_len, captions, cap_len, pooling: Pooling, padding: Padding) -> torch.Tensor:
    """Slots 1.. of images, 1..cap_len-3 of sentences take part; padded as wide as the longest of the batch."""
    widest = int(feat_len.max()) - 1
    longest = min(int(cap_len.max()) - 3, captions.shape[1] - 3)
    regions, words = images[:, 1 : 1 + widest], captions[:, 1 : 1 + longest]
    real_regions = torch.arange(widest) < feat_len[:, None] - 1
    real_words = torch.arange(longest) < cap_len[:, None] - 3
    return maxsim(regions, real_regions, words, real_words, pooling=pooling, padding=padding)


def compare_losses(case: str, network: Teran, items: Items, path: Path) -> Iterator[Row]:
    """Losses grow with the batch, so their tolerance is relative where they are larger than one."""
    if not path.exists():
        return
    content = json.loads(path.read_text())
    images, captions = items.encode(network)
    n = content["n"]
    for name, expected in content["losses"].items():
        kind, how, negatives = name.split("/")
        if kind == "alignment":
            scores = similarities(
                images.vectors[:n],
                items.feat_len[:n],
                captions.vectors[:n],
                items.cap_len[:n],
                Pooling(how),
                Padding.BATCH,
            )
        else:
            scores = matching_scores(images.aggregate[:n], captions.aggregate[:n], Measure(how))
        ours = contrastive_loss(scores, margin=content["margin"], hardest=negatives == "max")
        yield compare(case, f"loss {name}", ours, expected, LOSSES * max(1.0, abs(expected)))
