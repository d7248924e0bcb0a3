"""Training, in small: it learns, and stopped anywhere it goes on as if it had not been."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import load_encoder
from model.errors import BadRecipe, Diverged
from model.regions.mobilenet import MobileNetV2Config
from model.regions.region_features import RegionFeatures
from model.regions.windows import WindowExtractor, WindowsConfig
from model.scoring import Pooling, maxsim
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer
from model.training.align import AlignConfig, AlignTask, LossWeights, Split
from model.training.captioned import CaptionedSet
from model.training.hardware import Arithmetic, OneProcess
from model.training.learner import Learner, some_places
from model.training.log import read_log
from model.training.loop import Progress, run_stage
from model.training.optimization import Optimization, rate_share
from model.training.trainee import Trainee
from model.training.views import FoundRegions, PooledWindows

CPU = torch.device("cpu")
COLOURS = ("brown", "red", "blue", "black", "white")
THINGS = ("dog", "ball", "shirt", "bicycle")
OPTIMIZATION = Optimization(epochs=4, lr=3e-3, warmup_steps=2, precision="bfloat16", checkpoint_every=2)
CONFIG = AlignConfig("small", OPTIMIZATION, loss=LossWeights(hinge=0.5), images=4, captions=2)  # 5 steps an epoch


class TellingWindows:
    """An ImageSet in whose windows colour and thing can be read off."""

    def __init__(self) -> None:
        self._windows = torch.zeros(len(self), 36, 24)
        for row in range(len(self)):
            self._windows[row, :, row // len(THINGS)] = 1.0
            self._windows[row, :, len(COLOURS) + row % len(THINGS)] = 1.0

    def __len__(self) -> int:
        return len(COLOURS) * len(THINGS)

    def look(self, rows: np.ndarray, generator: np.random.Generator) -> PooledWindows:
        noise = torch.from_numpy(generator.random((len(rows), 36, 24))).float()
        return PooledWindows(self._windows[rows] + 0.01 * noise, np.zeros(len(rows), np.int64))

    def whole(self) -> Iterator[PooledWindows]:
        yield PooledWindows(self._windows, np.zeros(len(self), np.int64))


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint) -> Tokenizer:
    return Tokenizer(tiny_checkpoint)


def make_task(tokenizer: Tokenizer, config: AlignConfig = CONFIG) -> AlignTask:
    torch.manual_seed(0)
    bert = BertSizes(vocabulary=300, width=32, layers=1, heads=2, feedforward=32, positions=64)
    sizes = TeranConfig(
        feature_width=16, embedding_width=16, image_layers=1, joint_layers=1, heads=2, feedforward=32, bert=bert
    )
    convnet = MobileNetV2Config(width=0.125, last_width=8)
    trainee = Trainee(Teran(sizes), WindowExtractor(WindowsConfig(convnet, feature_width=16)))
    captions = CaptionedSet([(f"a {c} {t} .", f"the {t} is {c}") for c in COLOURS for t in THINGS], tokenizer)
    split = Split(TellingWindows(), captions)
    arithmetic = Arithmetic(CPU, config.optimization.dtype)
    return AlignTask(trainee, tokenizer, config, train=split, validation=split, arithmetic=arithmetic)


def train(task: AlignTask, folder: Path, *, stop_after: int | None = None, identity: str = "the same") -> bool:
    stopping = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.step == stop_after:
            stopping.set()

    optimization = task._config.optimization
    return run_stage(
        task, optimization, run=folder, identity=identity, hardware=OneProcess(CPU), watch=watch, stopping=stopping
    )


def test_training_learns_what_can_be_seen(tokenizer, tmp_path):
    task = make_task(tokenizer, replace(CONFIG, optimization=replace(OPTIMIZATION, epochs=20)))
    before = task.validate().score
    assert train(task, tmp_path)
    assert task.validate().score > before + 50


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_training_stopped_within_an_epoch_goes_on_bit_for_bit(tokenizer, tmp_path, accumulate):
    optimization = replace(OPTIMIZATION, accumulate=accumulate, average=0.9)
    config = replace(CONFIG, optimization=optimization, regions_seen=0.5)
    whole, resumed = make_task(tokenizer, config), make_task(tokenizer, config)
    assert train(whole, tmp_path / "whole")
    assert not train(make_task(tokenizer, config), tmp_path / "stopped", stop_after=3)
    assert not train(make_task(tokenizer, config), tmp_path / "stopped", stop_after=7)
    assert train(resumed, tmp_path / "stopped")
    last = [torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "stopped")]
    assert all(torch.equal(last[0]["module"][key], last[1]["module"][key]) for key in last[0]["module"])
    assert all(map(torch.equal, last[0]["average"], last[1]["average"]))
    assert all(torch.equal(a, b) for a, b in zip(whole.module.parameters(), resumed.module.parameters(), strict=True))
    rsums = [[row["rsum"] for row in read_log(tmp_path / name) if "rsum" in row] for name in ("whole", "stopped")]
    assert rsums[0] == rsums[1] and len(rsums[0]) == 5


def test_a_killed_training_repeats_only_what_came_after_its_checkpoint(tokenizer, tmp_path):
    whole = make_task(tokenizer)
    train(whole, tmp_path / "whole")
    killed = make_task(tokenizer)
    draw, drawn = killed.batch, []

    def fail_at_the_ninth(epoch, number):
        drawn.append(number)
        if len(drawn) == 9:
            raise MemoryError
        return draw(epoch, number)

    killed.batch = fail_at_the_ninth
    with pytest.raises(MemoryError):
        train(killed, tmp_path / "killed")
    again = make_task(tokenizer)
    assert train(again, tmp_path / "killed")
    assert all(torch.equal(a, b) for a, b in zip(whole.module.parameters(), again.module.parameters(), strict=True))
    steps = [row["step"] for row in read_log(tmp_path / "killed")]
    assert steps == sorted(set(steps))


def test_a_run_is_not_gone_on_with_by_another_recipe(tokenizer, tmp_path):
    train(make_task(tokenizer), tmp_path, stop_after=1)
    with pytest.raises(BadRecipe, match="begun with another recipe"):
        train(make_task(tokenizer), tmp_path, identity="another")


def test_the_best_and_the_last_can_be_searched_with(tokenizer, tmp_path):
    task = make_task(tokenizer)
    train(task, tmp_path)
    best, last = (load_encoder(str(tmp_path / name)) for name in ("best", "last"))
    assert best.encode_sentences(["a red ball"])[0].channels["regions"].shape[1] == 16
    weights = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(weights["trainee.regions.neck.weight"], task.module.trainee.regions.neck.weight)
    assert last.channel_widths == best.channel_widths


def test_what_is_validated_and_kept_is_the_mean_of_the_weights(tokenizer, tmp_path):
    optimization = replace(OPTIMIZATION, average=0.9)
    task = make_task(tokenizer, replace(CONFIG, optimization=optimization))
    train(task, tmp_path)
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    best = load_encoder(str(tmp_path / "best"))
    assert read_log(tmp_path)[-1]["rsum"] <= task.validate().score
    assert not torch.equal(task.module.trainee.regions.neck.weight, last["module"]["trainee.regions.neck.weight"])
    assert torch.equal(best._regions.neck.weight, task.module.trainee.regions.neck.weight)


def test_of_the_regions_a_random_share_is_seen_the_first_always(tokenizer):
    learner = Learner(make_task(tokenizer).module.trainee.eval(), None, regions_seen=0.6)
    features = torch.arange(5.0).repeat(2, 1)[..., None].expand(-1, -1, 16)
    found = FoundRegions(RegionFeatures(features, torch.zeros(2, 5, 4), torch.tensor([5, 1]), torch.ones(2, 2)))
    captions = torch.tensor([[2, 5, 6, 7, 3]]), torch.tensor([5])
    for _ in range(20):
        scored = learner(found, *captions)
        assert scored.places[0] == 0 and (scored.places.diff() > 0).all() and len(scored.places) == 3
        assert scored.images.real.sum(dim=1).tolist() == [3, 1]
    assert some_places(5, 1.0).tolist() == [0, 1, 2, 3, 4] and some_places(36, 0.01).tolist() == [0]


def test_what_has_no_rate_stays_as_it_is(tokenizer, tmp_path):
    task = make_task(tokenizer, replace(CONFIG, bert_lr=0.0))
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    train(task, tmp_path)
    after = task.module.state_dict()
    still = [name for name in before if torch.equal(before[name], after[name])]
    assert all(name in still for name in before if ".convnet." in name or ".bert." in name)
    assert "trainee.teran.sentence_side.projection.weight" not in still


def test_the_rate_rises_and_falls_as_a_cosine_or_in_steps():
    cosine = Optimization(epochs=10, lr=1.0, warmup_steps=5)
    shares = [rate_share(cosine, done=done, steps_of_epoch=10) for done in range(100)]
    assert shares[0] == pytest.approx(0.2) and max(shares) == shares[4] and 0 < shares[-1] < 1e-3
    steps = Optimization(epochs=40, lr=1.0, warmup_steps=0, drop_every=20)
    assert rate_share(steps, done=199, steps_of_epoch=10) == 1.0
    assert rate_share(steps, done=200, steps_of_epoch=10) == pytest.approx(0.1)


def test_of_a_short_training_at_most_a_quarter_is_warm_up():
    short = Optimization(epochs=5, lr=1.0)
    assert [rate_share(short, done=done, steps_of_epoch=4) for done in (0, 4)] == [
        pytest.approx(0.2),
        pytest.approx(0.9, abs=0.1),
    ]


def test_too_few_images_for_a_step_are_refused(tokenizer, tmp_path):
    with pytest.raises(BadRecipe, match="make 0 batches, and a step takes 1"):
        train(make_task(tokenizer, replace(CONFIG, images=64)), tmp_path)


def test_a_training_that_diverges_ends_and_keeps_its_best_weights(tokenizer, tmp_path):
    task = make_task(tokenizer)
    learn = task.loss
    task.loss = lambda module, batch: learn(module, batch) * (torch.nan if len(read_log(tmp_path)) > 3 else 1)
    with pytest.raises(Diverged, match="the loss is nan at step"):
        train(task, tmp_path)
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert all(value.isfinite().all() for value in best.values())


def test_where_nothing_was_learned_it_says_so(tokenizer, tmp_path, caplog):
    caplog.set_level("INFO")
    still = replace(CONFIG, optimization=replace(OPTIMIZATION, lr=1e-12))
    assert train(make_task(tokenizer, still), tmp_path)
    assert "best after step 0 of 20" in caplog.text and "learned nothing" in caplog.text


def test_what_an_earlier_stage_learned_does_not_count_in_the_norm(tokenizer, tmp_path):
    clean, used = (make_task(tokenizer, replace(CONFIG, bert_lr=0.0)) for _ in range(2))
    for parameter in used.module.parameters():
        parameter.grad = torch.full_like(parameter, 100.0)
    assert train(clean, tmp_path / "clean") and train(used, tmp_path / "used")
    assert all(torch.equal(a, b) for a, b in zip(clean.module.parameters(), used.module.parameters(), strict=True))


@pytest.mark.parametrize("torn", ["1", "21,4.2", "21,\0\0\0", "21,1,2,3,4,5,6,7,8,9,10,11,12,13", "1.5e-"])
def test_a_log_that_a_power_cut_has_torn_is_gone_on_with(tokenizer, tmp_path, torn):
    assert not train(make_task(tokenizer), tmp_path, stop_after=7)
    with (tmp_path / "log.csv").open("a") as log:
        log.write(torn)
    assert train(make_task(tokenizer), tmp_path)
    steps = [row["step"] for row in read_log(tmp_path)]
    assert steps == sorted(set(steps)) and {0, 5, 7, 20} <= set(steps)
    assert (tmp_path / "log.csv").read_text().splitlines()[1].startswith("0,0,")


def test_scores_are_not_rounded_where_all_else_is_computed_in_bfloat16(tokenizer):
    task = make_task(tokenizer)
    batch = task.batch(0, 0)
    with task._arithmetic.autocast():
        scored = task.module.eval()(batch.seen, batch.captions.token_ids, batch.captions.lengths)
    assert scored.scores.dtype == torch.float32
    torch.testing.assert_close(scored.scores, maxsim(*scored.images, *scored.captions, pooling=Pooling.MR_SW))
