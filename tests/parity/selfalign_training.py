"""SelfAlign's losses and its first three steps of training against those that were recorded."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from comparison import Row, compare
from selfalign_inputs import regions_of
from torch import nn

from model.selfalign.published import PublishedModel, camera_of, load_renamed, vsrn_of
from model.training.losses import contrastive_loss
from model.training.selfalign.captioning import Captioner, caption_labels, captioning_loss, label_mask
from model.training.selfalign.concepts import Prototypes, balanced_assignment, concept_loss
from model.training.selfalign.context import context_loss
from model.training.selfalign.objectives import CameraObjective, VsrnObjective, camera_scores, diversity_loss

VECTORS, LOSSES, DIVERSITY, SCORES_AFTER = 1e-5, 1e-4, 1e-3, 1e-3
FIRST_STEP, LATER_STEPS = 1e-4, 2e-3  # relative
OWN = -10.0  # as published, see context_loss
CAPTIONER = {
    "encoder.vid2hid.": "projection.",
    "encoder.rnn.": "reader.",
    "decoder.embedding.": "words.",
    "decoder.attention.linear1.": "attention.0.",
    "decoder.attention.linear2.": "attention.2.",
    "decoder.rnn.": "writer.",
    "decoder.out.": "out.",
}


@dataclass(frozen=True)
class Trained:
    """A network beside its objective; `arguments` are those of the objective for the first n pairs of the inputs."""

    network: nn.Module
    objective: nn.Module
    arguments: Callable
    scores: Callable  # of what the two sides give


def check(folder: Path, published: PublishedModel, weights, config) -> Iterator[Row]:
    """`weights` are those that training needs besides, with the names of their parts."""
    build = camera_training if config["base_model"] == "CAMERA" else vsrn_training
    scalars = json.loads((folder / "scalars.json").read_text())
    inputs, outputs = dict(np.load(folder / "inputs.npz")), dict(np.load(folder / "outputs.npz"))
    if "eval_mode_losses" in scalars:
        trained, wanted = build(published, weights, config), scalars["eval_mode_losses"]
        with torch.no_grad():
            yield from check_losses(folder.name, trained, inputs, outputs, wanted)
    if not (folder / "train_inputs.npz").exists():
        return
    batch = dict(np.load(folder / "train_inputs.npz"))
    for name, record, how, similarity in records(scalars):
        trained = build(published, weights, config)
        case = f"{folder.name}/{name}"
        yield from check_steps(case, trained, batch, record["losses"], config, **how)
        if similarity in outputs:
            trained.network.eval()
            with torch.no_grad():
                ours = trained.scores(*trained.arguments(inputs, None)[:2])
            yield compare(case, similarity, ours, outputs[similarity], SCORES_AFTER)


def records(scalars):
    """Every recorded training: its name, what was recorded, how it was done, and the scores after it."""
    train = scalars.get("train", {})
    if "epoch_0" in train:  # prototypes stand still
        yield "epoch_0", train["epoch_0"], {"still": True}, ""
    if "epoch_1" in train:
        yield "epoch_1", train["epoch_1"], {}, "similarity_after_3_steps_epoch1"
    if "train_unique_parameters" in scalars:
        yield "unique", scalars["train_unique_parameters"], {}, "similarity_batch_after_3_steps_unique"
    if "train_published" in scalars:
        yield "published", scalars["train_published"], {"captioner_twice": True}, "similarity_batch_after_3_steps"


# --- networks --------------------------------------------------------------------------------------------------------


def camera_training(published: PublishedModel, weights, config) -> Trained:
    network = camera_of(published, bert_heads=config["bert"]["num_attention_heads"]).eval()

    def arguments(inputs, n):
        regions, mask = regions_of(inputs), torch.from_numpy(inputs["attention_mask"])
        images = network.image_side(regions.features[:n], regions.boxes[:n], regions.sizes[:n])
        return images, network.sentence_side(torch.from_numpy(inputs["input_ids"])[:n], mask.sum(dim=1)[:n])

    objective = CameraObjective(prototypes_of(weights, config), margin=config["margin"])
    return Trained(network, objective, arguments, camera_scores)


def vsrn_training(published: PublishedModel, weights, config) -> Trained:
    network = vsrn_of(published, padding_counts=True).eval()
    sizes = config["captioning"]
    captioner = Captioner(
        width=config["embed_size"], vocabulary=config["vocab_size"], hidden=sizes["hidden"],
        word_width=sizes["word_dim"], longest=sizes["max_len"], dropout=0.0,
    )  # fmt: skip
    part = "caption_model."
    own = {name.removeprefix(part): torch.as_tensor(weights[name]) for name in weights if name.startswith(part)}
    if own:  # published checkpoints come without
        load_renamed(captioner, own, CAPTIONER)

    def arguments(inputs, n):
        lengths = torch.from_numpy(inputs["lengths"])[:n]
        ids = torch.from_numpy(inputs["caption_ids"])[:n, : int(lengths.max())]
        images = network.image_side(regions_of(inputs).features[:n])
        return images, network.sentence_side(ids, lengths), caption_labels(ids, lengths, longest=captioner.longest)

    objective = VsrnObjective(prototypes_of(weights, config), captioner, margin=config["margin"])
    return Trained(network, objective, arguments, lambda images, sentences: images.vectors @ sentences.vectors.T)


def prototypes_of(weights, config) -> Prototypes:
    prototypes = Prototypes(config["prototypes"], config["embed_size"])
    prototypes.load_state_dict({"weight": torch.as_tensor(weights["region_loss.v_prototypes.weight"])})
    return prototypes


# --- losses ----------------------------------------------------------------------------------------------------------


def check_losses(case: str, trained: Trained, inputs, outputs, wanted) -> Iterator[Row]:
    images, sentences, *labels = trained.arguments(inputs, wanted["batch"])
    objective, kept = trained.objective, wanted["negatives"]
    regions = torch.ones(images.context.local.shape[:2], dtype=torch.bool)
    to_regions = (sentences.context.whole, images.context.local, regions)
    ours = {
        "concept_loss": concept_loss(objective.prototypes, images.concepts, sentences.concepts, sentences.real),
        "context_loss_text_to_regions": context_loss(*to_regions, negatives=kept, own=OWN),
        "context_loss_text_to_regions_all_negatives": context_loss(*to_regions, negatives=regions.numel(), own=OWN),
        "context_loss_image_to_words": context_loss(
            images.context.whole, sentences.context.local, sentences.counted, negatives=kept, own=OWN
        ),
        "ranking_loss": contrastive_loss(trained.scores(images, sentences), margin=objective.margin, hardest=True),
    }
    if labels and "captioning_loss" in wanted:
        ours["captioning_loss"] = captioning_loss(objective.captioner, images.relations, labels[0])
        yield compare(case, "caption_labels", labels[0], outputs["caption_labels"], 0)
        yield compare(case, "caption_label_mask", label_mask(labels[0]), outputs["caption_label_mask"], 0)
    if "diversity" in wanted:
        ours["diversity"] = diversity_loss(images.view_logits)
    for name, loss in ours.items():
        if name in wanted:
            yield compare(case, name, loss, wanted[name], DIVERSITY if name == "diversity" else LOSSES)
    if "sinkhorn_assignment" in outputs:
        own = objective.prototypes
        assigned = balanced_assignment(own(images.concepts.flatten(0, 1)))
        yield compare(case, "prototypes", own.weight, outputs["prototypes_after_normalisation"], VECTORS)
        yield compare(case, "sinkhorn_assignment", assigned, outputs["sinkhorn_assignment"], VECTORS)


# --- training --------------------------------------------------------------------------------------------------------


def check_steps(
    case: str, trained: Trained, batch, wanted, config, *, still: bool = False, captioner_twice: bool = False
) -> Iterator[Row]:
    """`still` prototypes get no gradient; `captioner_twice` as published: its parameters stand in every list twice."""
    for module in trained.network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    trained.network.train()
    trained.objective.train()
    parameters = [p for part in (trained.network, trained.objective) for p in part.parameters() if p.requires_grad]
    again = list(trained.objective.captioner.parameters()) if captioner_twice else []
    optimizer = torch.optim.Adam(parameters, lr=config["learning_rate"], foreach=False)
    for step, losses in enumerate(wanted):
        ours = trained.objective(*trained.arguments(batch, None))
        for name, loss in (dict(ours.by_name) | {"total": ours.total}).items():
            tolerance = (LATER_STEPS if step else FIRST_STEP) * max(1.0, abs(losses[name]))
            yield compare(case, f"step {step} {name}", loss.detach(), losses[name], tolerance)
        optimizer.zero_grad()
        ours.total.backward()
        clip(parameters + again, longest=config["grad_clip"])
        if still:
            trained.objective.prototypes.weight.grad = None
        optimizer.step()
        if again:
            for parameter in set(parameters) - set(again):
                parameter.grad = None
            optimizer.step()


def clip(parameters, *, longest: float) -> None:
    """What stands in the list twice counts twice and is shortened twice."""
    norm = torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad *= (longest / (norm + 1e-6)).clamp_max(1.0)
