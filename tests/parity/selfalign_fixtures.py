"""The published SelfAlign's reference outputs, whichever of them a folder holds; their README says what they are."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import selfalign_training
import torch
from comparison import Row, compare, equal
from name_fill import filled_weights
from safetensors.numpy import load_file
from selfalign_inputs import regions_of

from model.evaluation.ranks import image_to_text_ranks, metrics, text_to_image_ranks
from model.published_file import read_published_file
from model.regions.region_features import RegionFeatures
from model.scoring import score_matrix
from model.selfalign.camera import Camera, CameraImages, CameraSentences
from model.selfalign.camera_encoder import CameraEncoder
from model.selfalign.published import PublishedModel, camera_of, read_published, vsrn_of
from model.selfalign.sets_of_regions import whole_sentence
from model.selfalign.vsrn import Vsrn, VsrnImages, VsrnSentences
from model.selfalign.vsrn_encoder import VsrnEncoder
from model.selfalign.word_pieces import WordPieces, pad_ids

VECTORS = 1e-5  # similarities too
CAPTIONS = 5


def check(root: Path) -> Iterator[Row]:
    for folder in sorted(path for path in [root, *root.rglob("*")] if path.is_dir()):
        if (folder / "outputs.npz").exists():
            yield from check_model(folder)
        elif (folder / "tokenised.json").exists():
            yield from check_word_pieces(folder)


def check_model(folder: Path) -> Iterator[Row]:
    config = json.loads((folder / "config.json").read_text())
    inputs, outputs = dict(np.load(folder / "inputs.npz")), dict(np.load(folder / "outputs.npz"))
    weights = published_weights(folder)
    published = published_of(folder, config, weights)
    with torch.inference_mode():
        if config["base_model"] == "CAMERA":
            yield from check_camera(folder.name, published, config, inputs, outputs)
        else:
            yield from check_vsrn(folder.name, published, inputs, outputs)
    yield from check_retrieval(folder, outputs)
    yield from selfalign_training.check(folder, published, weights, config)


def check_word_pieces(folder: Path) -> Iterator[Row]:
    captions = json.loads((folder / "captions.json").read_text())
    wanted = json.loads((folder / "tokenised.json").read_text())
    pieces, width = WordPieces(folder), wanted["max_words"]
    for caption, row in zip(captions, wanted["rows"], strict=True):
        ids, lengths = pad_ids([pieces(caption, longest=width, cut=True)], width=width)
        mask = [int(place < int(lengths[0])) for place in range(width)]
        yield equal(folder.name, repr(caption[:40]), (ids[0].tolist(), mask), (row["input_ids"], row["attention_mask"]))


# --- weights ---------------------------------------------------------------------------------------------------------


def published_weights(folder: Path) -> dict[str, np.ndarray | torch.Tensor]:
    """By names with the prefix of their part; of a whole checkpoint what only training needs."""
    if (folder / "weights.safetensors").exists():
        return load_file(folder / "weights.safetensors")
    if (folder / "fill_check.json").exists():
        return filled_weights(folder)
    content = read_published_file(checkpoint_in(folder))
    return {f"region_loss.{name}": value for name, value in content["model"][2].items()}


def checkpoint_in(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("*.pth.tar"))))


def published_of(folder: Path, config, weights) -> PublishedModel:
    if any(folder.glob("*.pth.tar")):
        return read_published(checkpoint_in(folder))
    options = {"head": config.get("heads"), "max_words": config.get("max_words"), "data_name": config.get("dataset")}
    return PublishedModel(
        *(
            {name.removeprefix(part): torch.as_tensor(weights[name]) for name in weights if name.startswith(part)}
            for part in ("img_enc.", "txt_enc.")
        ),
        options | {"ctx_fc_relu": 1, "ctx_relu": 1},
    )


# --- arrays ----------------------------------------------------------------------------------------------------------


def check_camera(case: str, published: PublishedModel, config, inputs, outputs) -> Iterator[Row]:
    camera = camera_of(published, bert_heads=config["bert"]["num_attention_heads"]).eval()
    regions = regions_of(inputs)
    ids, lengths = torch.from_numpy(inputs["input_ids"]), torch.from_numpy(inputs["attention_mask"]).sum(dim=1)
    bert = {}
    hook = camera.sentence_side.bert.register_forward_hook(lambda *args: bert.update(hidden=args[2].last_hidden_state))
    images = camera.image_side(regions.features, regions.boxes, regions.sizes)
    sentences = camera.sentence_side(ids, lengths)
    hook.remove()
    ours = camera_arrays(images, sentences) | {"bert_last_hidden": bert["hidden"]}
    ours["similarity"] = camera_scores(camera, regions, sentences)
    yield from compare_arrays(case, ours, outputs)


def camera_arrays(images: CameraImages, sentences: CameraSentences) -> dict[str, torch.Tensor]:
    return context_arrays(images, sentences) | {
        "image_global": images.views,
        "caption_global": sentences.vectors,
        "view_logits": images.view_logits,
        "image_views": images.views,
        "image_context": images.context_vectors,
        "image_index": images.joined,
        "caption_index": sentences.joined,
    }


def camera_scores(camera: Camera, regions: RegionFeatures, sentences: CameraSentences) -> torch.Tensor:
    """By the score specification, as the index has it."""
    encoder = CameraEncoder(camera, None, None, name="", fingerprint="")
    queries = [whole_sentence("", {"views": own[None]}) for own in sentences.joined]
    return score_matrix(encoder.score_spec, encoder.encode_features(regions), queries)


def check_vsrn(case: str, published: PublishedModel, inputs, outputs) -> Iterator[Row]:
    vsrn = vsrn_of(published).eval()
    padded = Vsrn(replace(vsrn.config, padding_counts=True)).eval()
    padded.load_state_dict(vsrn.state_dict())
    regions, ids, lengths = (
        regions_of(inputs),
        torch.from_numpy(inputs["caption_ids"]),
        torch.from_numpy(inputs["lengths"]),
    )
    images, batch, alone = (
        vsrn.image_side(regions.features),
        padded.sentence_side(ids, lengths),
        vsrn.sentence_side(ids, lengths),
    )
    one_by_one = [
        padded.sentence_side(row[:length][None], length[None]).vectors for row, length in zip(ids, lengths, strict=True)
    ]
    encoder = VsrnEncoder(vsrn, None, None, name="", fingerprint="")
    found = encoder.encode_features(regions)
    ours = vsrn_arrays(images, batch)
    for how, vectors in (("batch", batch.vectors), ("alone", alone.vectors)):
        queries = [whole_sentence("", {"vector": vector[None]}) for vector in vectors]
        ours[f"caption_index_{how}"] = vectors
        ours[f"similarity_{how}"] = score_matrix(encoder.score_spec, found, queries)
    yield from compare_arrays(case, ours, outputs)
    yield compare(
        case, "caption_index_alone, one by one", torch.cat(one_by_one), outputs["caption_index_alone"], VECTORS
    )


def vsrn_arrays(images: VsrnImages, sentences: VsrnSentences) -> dict[str, torch.Tensor]:
    return context_arrays(images, sentences) | {
        "image_global": images.globals,
        "caption_global": sentences.globals,
        "relation_regions": images.relations,
        "image_index": images.vectors,
    }


def context_arrays(images, sentences) -> dict[str, torch.Tensor]:
    return {
        "image_concepts": images.concepts,
        "caption_concepts": sentences.concepts,
        "image_context_global": images.context.whole,
        "caption_context_global": sentences.context.whole,
        "image_context_locals_halved": 0.5 * images.context.local,
        "caption_context_locals": sentences.context.local,
        "image_context_fused_halved": 0.5 * images.context.fused,
        "caption_context_fused": sentences.context.fused,
    }


def compare_arrays(case: str, ours, outputs) -> Iterator[Row]:
    for name, expected in outputs.items():
        if name in ours:
            yield compare(case, name, ours[name], expected, VECTORS)


def check_retrieval(folder: Path, outputs) -> Iterator[Row]:
    scalars = json.loads((folder / "scalars.json").read_text())
    if "retrieval" not in scalars:
        return
    wanted = scalars["retrieval"]
    n = wanted["n_images"]
    scores = outputs["similarity" if "similarity" in outputs else "similarity_batch"][:n, : CAPTIONS * n]
    owners = np.repeat(np.arange(n), CAPTIONS)
    names = {"R1": "r1", "R5": "r5", "R10": "r10", "median_rank": "medr", "mean_rank": "meanr"}
    for side, ranks in (("image_to_text", image_to_text_ranks), ("text_to_image", text_to_image_ranks)):
        ours = metrics(ranks(scores, owners))
        for theirs, own in names.items():
            yield compare(folder.name, f"{side} {theirs}", getattr(ours, own), wanted[side][theirs], 1e-9)
