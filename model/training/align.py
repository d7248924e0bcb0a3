"""Train a TERAN with windows on captioned pictures: the two sides on stored features, or all of it on pixels."""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.evaluation.ranks import image_to_text_ranks, metrics, rsum, text_to_image_ranks
from model.regions.windows import WindowExtractor
from model.scoring import Pooling, maxsim
from model.teran.network import Teran
from model.training.captioned import Batch, CaptionedSet
from model.training.losses import contrastive_loss, multi_positive_cross_entropy

logger = logging.getLogger(__name__)

# The windows of some training pictures, pooled from a random view of each: rows [N] -> [N, R, width of the map]
PooledWindows = Callable[[NDArray[np.int64], np.random.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class AlignConfig:
    epochs: int = 30
    images: int = 64  # of a batch
    captions: int = 3  # of each of them
    lr: float = 5e-4
    convnet_lr: float = 0.0  # 0 leaves the convolutional network as it is
    weight_decay: float = 0.05
    warmup_steps: int = 200
    unknown: float = 0.05  # share of word pieces that the sentence side does not get to see
    margin: float = 0.2
    hinge: float = 0.0  # weight of TERAN's own loss beside the cross-entropy
    seed: int = 0


class Words(NamedTuple):
    vectors: Tensor  # [C, W, D]
    real: Tensor  # [C, W] bool


class Trainee(nn.Module):
    """The parts that are trained together."""

    def __init__(self, teran: Teran, regions: WindowExtractor) -> None:
        super().__init__()
        self.teran = teran
        self.regions = regions
        self.log_scale = nn.Parameter(torch.tensor(math.log(2.0)))  # of scores in the cross-entropy

    def embed_windows(self, pooled: Tensor) -> Tensor:
        """pooled [N, R, width of the map] -> [N, R, D]."""
        features = self.regions.features_of_windows(pooled)
        n, r, _ = features.shape
        boxes = self.regions.boxes.expand(n, -1, -1)
        return self.teran.encode_regions(features, boxes, torch.full((n,), r)).vectors[:, 1:].float()

    def embed_captions(self, token_ids: Tensor, lengths: Tensor) -> Words:
        """Without the two special pieces and the full stop."""
        vectors = self.teran.encode_tokens(token_ids, lengths).vectors[:, 1:-2].float()
        return Words(vectors, torch.arange(vectors.shape[1]) < lengths[:, None] - 3)


def train(
    trainee: Trainee,
    captioned: CaptionedSet,
    pooled: PooledWindows,
    validate: Callable[[], float],
    *,
    config: AlignConfig,
    run: Path,
) -> None:
    """Train in place, one checkpoint an epoch in `run`; leaves the state that `validate` liked best. Resumes."""
    run.mkdir(parents=True, exist_ok=True)
    optimizer = _optimizer(trainee, config)
    first, best = _resume(run, trainee, optimizer)
    for epoch in range(first, config.epochs):
        started = time.monotonic()
        loss = _train_epoch(trainee, captioned, pooled, optimizer, config, epoch)
        value = validate()
        record = {"epoch": epoch, "loss": loss, "rsum": value, "seconds": time.monotonic() - started}
        logger.info("align %s", record)
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps(record) + "\n")
        state = {"trainee": trainee.state_dict(), "epoch": epoch, "best": max(best, value)}
        if value > best:
            best = value
            _save(run / "best.pt", state)
        _save(run / "last.pt", state | {"optimizer": optimizer.state_dict()})
    trainee.load_state_dict(torch.load(run / "best.pt", weights_only=True)["trainee"])


def batch_loss(trainee: Trainee, batch: Batch, pooled: Tensor, config: AlignConfig) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        regions, words = trainee.embed_windows(pooled), trainee.embed_captions(batch.token_ids, batch.lengths)
        everything = torch.ones(regions.shape[:2], dtype=torch.bool)
        scores = maxsim(regions, everything, *words, pooling=Pooling.MR_SW).float()  # [N, C]
    loss = multi_positive_cross_entropy(scores * trainee.log_scale.exp(), batch.owners)
    if config.hinge:
        first_caption = torch.searchsorted(batch.owners, torch.arange(len(batch.rows)))
        pairs = scores[:, first_caption]
        loss = loss + config.hinge * contrastive_loss(pairs, margin=config.margin, hardest=True) / len(pairs)
    return loss


def validation_rsum(trainee: Trainee, captioned: CaptionedSet, pooled: Tensor) -> float:
    """rsum of all images, their windows pooled in `pooled` [N, R, width of the map], against all captions."""
    trainee.eval()
    scores, owners = [], []
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16):
            regions = torch.cat([trainee.embed_windows(part) for part in torch.split(pooled, 128)])
        everything = torch.ones(regions.shape[:2], dtype=torch.bool)
        for batch in captioned.in_order(images=50):
            with torch.autocast("cpu", torch.bfloat16):
                words = trainee.embed_captions(batch.token_ids, batch.lengths)
            scores.append(maxsim(regions, everything, *words, pooling=Pooling.MR_SW))
            owners.append(batch.rows[batch.owners.numpy()])
    table, right = torch.cat(scores, dim=1).numpy(), np.concatenate(owners)
    to_image, to_text = metrics(text_to_image_ranks(table, right)), metrics(image_to_text_ranks(table, right))
    logger.info("t2i %s  i2t %s", to_image, to_text)
    return rsum(to_image, to_text)


def _train_epoch(
    trainee: Trainee,
    captioned: CaptionedSet,
    pooled: PooledWindows,
    optimizer: torch.optim.Optimizer,
    config: AlignConfig,
    epoch: int,
) -> float:
    generator = np.random.default_rng([config.seed, epoch])
    torch.manual_seed(1000 * config.seed + epoch)  # dropout, so that a resumed run goes on alike
    trainee.train()
    trainee.regions.convnet.eval()  # its normalisation keeps the statistics of the many pictures it has seen
    steps = len(captioned) // config.images
    losses = []
    batches = captioned.shuffled(
        images=config.images, captions=config.captions, unknown=config.unknown, generator=generator
    )
    for step, batch in enumerate(batches):
        _set_rates(optimizer, config, done=epoch * steps + step, total=config.epochs * steps)
        loss = batch_loss(trainee, batch, pooled(batch.rows, generator), config)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trainee.parameters(), 2.0)
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def _optimizer(trainee: Trainee, config: AlignConfig) -> torch.optim.Optimizer:
    """Two rates, that of the convolutional network and that of all else; matrices alone decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in trainee.named_parameters():
        rate = config.convnet_lr if name.startswith("regions.convnet.") else config.lr
        parameter.requires_grad_(rate > 0)
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        if rate:
            groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "full_lr": rate, "weight_decay": decay}
            for (rate, decay), parameters in groups.items()
        ]
    )


def _set_rates(optimizer: torch.optim.Optimizer, config: AlignConfig, *, done: int, total: int) -> None:
    """Linear warm-up, then half a cosine to nothing."""
    share = min(1.0, (done + 1) / config.warmup_steps) * (0.5 + 0.5 * math.cos(math.pi * done / total))
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * share


def _save(path: Path, state: dict[str, object]) -> None:
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    draft.replace(path)


def _resume(run: Path, trainee: Trainee, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    path = run / "last.pt"
    if not path.exists():
        return 0, -math.inf
    state = torch.load(path, weights_only=True)
    trainee.load_state_dict(state["trainee"])
    optimizer.load_state_dict(state["optimizer"])
    logger.info("going on after epoch %d of %s", state["epoch"], path)
    return int(state["epoch"]) + 1, float(state["best"])
