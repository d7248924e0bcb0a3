"""Reference ranks and metrics of stored score matrices; sentences 5i..5i+4 belong to image i."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from comparison import Row, compare

from model.evaluation.ndcg import mean_image_to_text, ndcg, read_relevance, rouge_l
from model.evaluation.ranks import image_to_text_ranks, mean_metrics, metrics, text_to_image_ranks, top

CAPTIONS = 5


def check(folder: Path, *, metrics_tolerance: float) -> Iterator[Row]:
    if (folder / "rougeL_cases.json").exists():
        for item in json.loads((folder / "rougeL_cases.json").read_text()):
            ours = rouge_l(item["query"], item["references"])
            yield compare("rougeL", repr(item["query"][:40]), ours, item["score"], 1e-9)
    if not (folder / "scores.npz").exists():
        return
    scores = dict(np.load(folder / "scores.npz"))
    check_form = check_whole if "sim" in scores else check_folds
    yield from check_form(folder, scores, metrics_tolerance)


def check_whole(folder: Path, scores, tolerance: float) -> Iterator[Row]:
    sim, case = scores["sim"], folder.name
    ranks = dict(np.load(folder / "ranks.npz"))
    relevance = {
        path.stem.rsplit("-", 1)[1]: read_relevance(path, sentences=sim.shape[1], images=len(sim))
        for path in sorted(folder.glob("data/*/relevances/*.npy"))
    }
    wanted = json.loads((folder / "metrics.json").read_text())
    yield from compare_ranking(
        case, sim, relevance, wanted, metrics_tolerance=tolerance,
        i2t_ranks=ranks["i2t_ranks"], t2i_ranks=ranks["t2i_ranks"],
    )  # fmt: skip
    yield compare(case, "i2t_top1", top(sim, 1)[:, 0], ranks["i2t_top1"], 0)
    yield compare(case, "t2i_top50", top(sim.T, ranks["t2i_top50"].shape[1]), ranks["t2i_top50"], 0)
    for kind, values in relevance.items():
        yield compare(case, f"ndcg_i2t_{kind}", ndcg(sim, values.T), ranks[f"ndcg_i2t_{kind}"], tolerance)
        yield compare(case, f"ndcg_t2i_{kind}", ndcg(sim.T, values), ranks[f"ndcg_t2i_{kind}"], tolerance)


def check_folds(folder: Path, scores, tolerance: float) -> Iterator[Row]:
    ranks, relevances = dict(np.load(folder / "ranks.npz")), dict(np.load(folder / "relevances.npz"))
    wanted = json.loads((folder / "metrics.json").read_text())
    folds = []
    for fold in range(len(scores)):
        sim = scores[f"sim/{fold}"]
        n = len(sim)
        rows, columns = slice(CAPTIONS * n * fold, CAPTIONS * n * (fold + 1)), slice(n * fold, n * (fold + 1))
        relevance = {kind: values[rows, columns] for kind, values in relevances.items()}
        yield from compare_ranking(
            f"{folder.name}/{fold}", sim, relevance, wanted["folds"][fold], metrics_tolerance=tolerance,
            i2t_ranks=ranks[f"i2t_ranks/{fold}"], t2i_ranks=ranks[f"t2i_ranks/{fold}"],
        )  # fmt: skip
        folds.append(ours_of(sim, relevance))
    for side in ("i2t", "t2i"):
        mean = mean_metrics([fold[side][0] for fold in folds])
        for name in ("r1", "r5", "r10", "medr", "meanr"):
            yield compare(
                f"{folder.name}/mean", f"{side} {name}", getattr(mean, name), wanted["mean"][side][name], tolerance
            )
        for kind in relevances:
            ours = np.mean([fold[side][1][kind] for fold in folds])
            yield compare(
                f"{folder.name}/mean", f"{side} ndcg_{kind}", ours, wanted["mean"][side][f"ndcg_{kind}"], tolerance
            )


def compare_ranking(case, sim, relevance, wanted, *, metrics_tolerance, i2t_ranks, t2i_ranks) -> Iterator[Row]:
    """Ranks, recalls and NDCG of one score matrix [images, sentences]."""
    owners = np.repeat(np.arange(len(sim)), CAPTIONS)
    yield compare(case, "i2t_ranks", image_to_text_ranks(sim, owners), i2t_ranks, 0)
    yield compare(case, "t2i_ranks", text_to_image_ranks(sim, owners), t2i_ranks, 0)
    for side, (ours, gains) in ours_of(sim, relevance).items():
        for name in ("r1", "r5", "r10", "medr", "meanr"):
            yield compare(case, f"{side} {name}", getattr(ours, name), wanted[side][name], metrics_tolerance)
        for kind, value in gains.items():
            yield compare(case, f"{side} ndcg_{kind}", value, wanted[side][f"ndcg_{kind}"], metrics_tolerance)


def ours_of(sim, relevance):
    owners = np.repeat(np.arange(len(sim)), CAPTIONS)
    return {
        "i2t": (
            metrics(image_to_text_ranks(sim, owners)),
            {kind: mean_image_to_text(ndcg(sim, values.T)) for kind, values in relevance.items()},
        ),
        "t2i": (
            metrics(text_to_image_ranks(sim, owners)),
            {kind: float(ndcg(sim.T, values).mean()) for kind, values in relevance.items()},
        ),
    }
