"""The command line, as people and scripts use it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import teran
from indexer.index.layout import collection_path
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.pictures import picture_of
from model.checkpoint import load_encoder
from model.cross_attention import Direction
from model.encoder import Encoder
from model.evaluation.contact_sheet import CELL_WIDTH
from model.scoring import align, score_matrix
from tests import hats, selfalign
from tests.photographs import jpeg, truncated_jpeg, write_photographs
from tests.published import published_weights, save_published, write_bert

ROOT = Path(__file__).parents[1]
SENTENCE = "a brown dog is running on the grass ."

Teran = Callable[..., tuple[int, str, str]]


@pytest.fixture
def teran_run(tmp_path, tiny_checkpoint, monkeypatch, capfd) -> Teran:
    """Run a command in this process: its status, standard output and standard error."""
    monkeypatch.setenv("TERAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TERAN_MODEL", str(tiny_checkpoint))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["teran", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            teran.main()
        return int(end.value.code or 0), *capfd.readouterr()

    return run


@pytest.fixture
def photos(tmp_path) -> Path:
    write_photographs(tmp_path / "photos", range(6))
    return tmp_path / "photos"


def test_photographs_are_indexed_found_and_explained(teran_run, photos):
    (photos / "cut.jpg").write_bytes(truncated_jpeg())
    status, _, errors = teran_run("index", photos)
    assert status == 0 and "default: 1 failed, 6 indexed" in errors and "cut.jpg: image_truncated" in errors
    status, output, _ = teran_run("search", SENTENCE, "--limit", 3, "--explain")
    assert status == 0 and output.count(str(photos)) == 3 and output.count("grass") == 3 and "box [" in output


def test_json_is_one_object_with_the_shares_of_the_words(teran_run, photos, tmp_path):
    teran_run("index", photos, "--collection", "mine")
    _, output, _ = teran_run("search", SENTENCE, "-c", "mine", "--json", "--explain")
    answer = json.loads(output)
    assert {hit["source"] for hit in answer["results"]} == {str(path) for path in photos.iterdir()}
    for hit in answer["results"]:
        shares = [word["contribution"] for word in hit["explanation"]["words"]]
        assert sum(shares) == pytest.approx(hit["score"], abs=1e-3)


def test_a_second_run_says_what_it_passed_over_and_pruned(teran_run, photos):
    teran_run("index", photos)
    (photos / "0001.jpg").unlink()
    _, _, errors = teran_run("index", photos, "--prune")
    assert "default: 5 duplicate, 1 pruned" in errors


def test_a_folder_with_nothing_good_in_it_is_a_failure(teran_run, tmp_path):
    (tmp_path / "cut.jpg").write_bytes(truncated_jpeg())
    status, output, errors = teran_run("index", tmp_path / "cut.jpg")
    assert status == 1 and not output and "1 failed" in errors and "Traceback" not in errors


def test_damage_is_found_and_named(teran_run, photos, tmp_path):
    teran_run("index", photos)
    assert teran_run("verify")[:2] == (0, "default: no fault found\n")
    status, output, _ = teran_run("inspect")
    assert status == 0 and output.startswith("commit 1: ") and "searched whole" in output
    (rows,) = collection_path(tmp_path / "data", "default").glob("segments/*/channel.regions.rows")
    rows.write_bytes(rows.read_bytes()[:-1])
    teran_run("index", photos, "--collection", "whole")
    status, output, _ = teran_run("verify")
    assert status == 1 and output.startswith(f"{rows}: ") and output.endswith("whole: no fault found\n")
    assert teran_run("verify", "-c", "whole")[0] == 0


def test_a_port_that_is_taken_is_told_before_anything_is_done(teran_run, photos, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, _, errors = teran_run("demo", "--images", photos, "--port", taken.getsockname()[1])
    assert status == 1 and "Address already in use" in errors and errors.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["search", "dog"], "collection"),
        (["search", "...", "-c", "good"], "no words"),
        (["search", "dog", "-c", "Bad name"], "Bad name"),
        (["index", "nowhere"], "nowhere"),
        (["index", "photos", "-c", "good", "--model", "other"], "fingerprint"),
        (["search", "dog", "-c", "good", "--model", "other"], "fingerprint"),
        (["search", "dog", "-c", "good", "--model", "no/such/model"], "no/such/model"),
        (["index", "photos", "--device", "toaster"], "device"),
        (["index", "photos", "--device", "cuda"], "CUDA"),
        (["index", "photos", "--data", "photos/0001.jpg"], "0001.jpg"),
        (["verify", "-c", "nothing"], "nothing"),
        (["inspect", "-c", "nothing"], "nothing"),
        (["evaluate", "--captions", "none.jsonl", "--images", "photos"], "none.jsonl"),
        (["evaluate", "--captions", "captions.jsonl", "--images", "."], "lost.jpg"),
        (["draw", "nowhere.jpg", "dog", "-o", "drawn.png"], "nowhere.jpg"),
        (["draw", "photos/0001.jpg", "-o", "drawn.png"], "a photograph and a sentence"),
        (["draw", "photos/0001.jpg", "...", "-o", "drawn.png"], "no words"),
        (["draw", "photos/0001.jpg", "dog", "-o", "drawn.txt"], "drawn.txt"),
        (["draw", "photos/0001.jpg", "dog", "-o", "nowhere/drawn.png"], "nowhere/drawn.png"),
    ],
)
def test_an_error_is_one_line_and_status_1(teran_run, photos, tmp_path, other_checkpoint, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    Path("other").symlink_to(other_checkpoint)
    Path("captions.jsonl").write_text('{"image": "lost.jpg", "captions": ["a dog"]}\n')
    teran_run("index", photos, "--collection", "good")
    monkeypatch.setattr(teran.torch.cuda, "is_available", lambda: False)
    status, output, errors = teran_run(*arguments)
    assert (status, output) == (1, "")
    assert errors.startswith("error: ") and told in errors and errors.count("\n") == 1


def test_settings_of_the_environment_that_cannot_be_are_an_error_too(teran_run, monkeypatch):
    monkeypatch.setenv("TERAN_PORT", "many")
    status, _, errors = teran_run("verify")
    assert status == 1 and errors.startswith("error: ") and "port" in errors and errors.count("\n") == 1


def test_evaluation_is_that_by_hand(teran_run, photos, tmp_path, tiny_encoder, pool):
    words = ["a dog", "a red ball", "two children", "a man", "a bicycle .", "grass"]
    lines = [{"image": f"{n:04}.jpg", "captions": [words[n], words[-n]], "split": "test"} for n in range(5)]
    lines.append({"image": "0005.jpg", "captions": ["not of this split"], "split": "train"})
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(json.dumps(line) for line in lines))
    arguments = ("--captions", captions, "--images", photos, "--split", "test", "--plot", tmp_path / "plot.png")
    status, output, _ = teran_run("evaluate", *arguments, "--json")
    expected = evaluated_by_hand(tiny_encoder, pool, [caption for line in lines[:5] for caption in line["captions"]])
    assert status == 0 and output.count("\n") == 1 and json.loads(output) == expected
    assert (tmp_path / "plot.png").exists()


def evaluated_by_hand(encoder: Encoder, pool, captions: list[str]) -> dict:
    """Two captions for each of five images."""
    pictures = [picture_of(decoded) for _, decoded in pool.decode((n, jpeg(n)) for n in range(5))]
    scores = score_matrix(encoder.score_spec, encoder.encode_images(pictures), encoder.encode_sentences(captions))
    to_image = [sorted(range(5), key=lambda i: (-scores[i, c], i)).index(c // 2) for c in range(10)]
    by_image = [sorted(range(10), key=lambda c: (-scores[i, c], c)) for i in range(5)]
    to_text = [min(order.index(2 * i), order.index(2 * i + 1)) for i, order in enumerate(by_image)]
    t2i, i2t = (metrics_by_hand(ranks) for ranks in (to_image, to_text))
    rsum = sum(part[name] for part in (t2i, i2t) for name in ("r1", "r5", "r10"))
    return {
        "t2i": pytest.approx(t2i),
        "i2t": pytest.approx(i2t),
        "rsum": pytest.approx(rsum),
        "images": 5,
        "captions": 10,
    }


def metrics_by_hand(ranks: list[int]) -> dict[str, float]:
    recalls = {f"r{k}": 100 * sum(rank < k for rank in ranks) / len(ranks) for k in (1, 5, 10)}
    return {**recalls, "medr": int(np.median(ranks)) + 1, "meanr": sum(ranks) / len(ranks) + 1}


def test_an_explanation_is_drawn(teran_run, tmp_path, tiny_encoder, pool):
    photograph = tmp_path / "large.jpg"
    photograph.write_bytes(jpeg(1, size=(640, 480)))
    ((_, decoded),) = pool.decode([(1, photograph)])
    (image,), (sentence,) = tiny_encoder.encode_images([picture_of(decoded)]), tiny_encoder.encode_sentences([SENTENCE])
    score = sum(answer.contribution for answer in align(tiny_encoder.score_spec, image.channels, sentence))
    status, _, errors = teran_run("draw", photograph, SENTENCE, "--output", tmp_path / "drawn.png")
    assert status == 0 and f"score {score:.3f}" in errors
    with Image.open(tmp_path / "drawn.png") as drawn, Image.open(photograph) as plain:
        assert drawn.width > plain.width and drawn.height >= plain.height
        assert drawn.crop((0, 0, *plain.size)).tobytes() != plain.convert("RGB").tobytes()


def test_the_best_and_worst_queries_are_drawn_on_one_sheet(teran_run, photos, tmp_path):
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(json.dumps({"image": f"{n:04}.jpg", "captions": [f"{n} dogs"]}) for n in range(3)))
    status, _, errors = teran_run("draw", "--captions", captions, "--images", photos, "-o", tmp_path / "sheet.png")
    assert status == 0 and "3 images" in errors
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * CELL_WIDTH and sheet.height > 3 * 200


def test_names_that_are_not_text_do_not_break_the_output(teran_run, photos):
    (photos / "0001.jpg").rename(photos / os.fsdecode(b"caf\xe9 [bold].jpg"))
    teran_run("index", photos)
    status, output, _ = teran_run("search", "dog")
    assert status == 0 and r"caf\udce9 [bold].jpg" in output


def test_a_killed_index_run_goes_on_where_it_was(tmp_path, tiny_checkpoint):
    write_photographs(tmp_path / "photos", range(600))
    collection = collection_path(tmp_path / "data", "default")
    command = [sys.executable, "-m", "teran", "index", str(tmp_path / "photos"), "--data", str(tmp_path / "data")]
    command += ["--model", str(tiny_checkpoint), "--device", "cpu"]
    with subprocess.Popen(command, cwd=ROOT) as killed:
        while not (collection / "manifest.json").exists():
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
    before = open_snapshot(collection).live_count
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0 < before < 600 and f"{before} duplicate, {600 - before} indexed" in again.stderr
    assert open_snapshot(collection).live_count == 600
    verification = verify_collection(collection)
    assert not verification.faults and not verification.leftovers


def test_the_service_of_the_command_line_indexes_and_answers_and_ends(tmp_path, photos, tiny_checkpoint):
    environment = {**os.environ, "TERAN_ROOTS": json.dumps([str(tmp_path)]), "TERAN_PORT": "0"}
    command = [
        sys.executable,
        "-m",
        "teran",
        "serve",
        "--data",
        str(tmp_path / "data"),
        "--model",
        str(tiny_checkpoint),
    ]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        running = next(line for line in service.stderr if "running on" in line)
        address = json.loads(running)["event"].split()[3]
        job = post(f"{address}/index?wait=120", {"sources": [{"type": "folder", "path": "photos"}]})
        assert job["state"] == "succeeded" and job["counts"]["indexed"] == 6
        assert len(post(f"{address}/search", {"text": SENTENCE})["results"]) == 6
        service.send_signal(signal.SIGTERM)
        log = [json.loads(line) for line in service.stderr]
        assert service.wait(30) in (0, -signal.SIGTERM) and any(line.get("path") == "/search" for line in log)


def post(url: str, body: dict) -> dict:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=150) as response:
        return json.load(response)


def test_a_published_checkpoint_is_imported(teran_run, tmp_path):
    published = save_published(tmp_path / "best.pth.tar", published_weights())
    status, _, errors = teran_run("import", published, tmp_path / "ours", "--bert", write_bert(tmp_path / "bert"))
    assert status == 0 and "imported" in errors
    assert load_encoder(str(tmp_path / "ours")).encode_sentences(["a dog"])
    status, _, errors = teran_run("import", tmp_path / "none.pth.tar", tmp_path / "theirs")
    assert status == 1 and errors.startswith("error: ") and "none.pth.tar does not exist" in errors


def test_photographs_are_found_and_explained_by_an_imported_hat(teran_run, photos, tmp_path):
    bert, hat = hats.write_bert(tmp_path / "bert"), tmp_path / "hat"
    one, other = (
        hats.save_published(tmp_path / f"{seed}.ckpt", hats.published_weights(hats.tiny_hat(Direction.I2T, seed=seed)))
        for seed in (0, 1)
    )
    assert teran_run("import", one, hat, "--ensemble", other, "--bert", bert)[0] == 0
    assert teran_run("index", photos, "--model", hat)[0] == 0
    _, output, _ = teran_run("search", "a brown dog", "--model", hat, "--json", "--explain")
    hits = json.loads(output)["results"]
    assert len(hits) == 6 and load_encoder(str(hat)).name == "0+1"
    for hit in hits:
        words = hit["explanation"]["words"]
        assert [word["text"] for word in words] == ["a", "brown", "dog", "a brown dog"]
        assert sum(word["contribution"] for word in words) == pytest.approx(hit["score"], abs=1e-3)
    assert teran_run("draw", photos / "0001.jpg", "dog", "-o", tmp_path / "drawn.png", "--model", hat)[0] == 0


def test_photographs_are_indexed_by_region_features_of_files(teran_run, photos, tmp_path):
    published, bert = tmp_path / "camera.pth.tar", selfalign.write_pieces(tmp_path / "bert")
    selfalign.save_published(published, selfalign.camera())
    assert teran_run("import", published, tmp_path / "ours", "--bert", bert)[0] == 0
    model = ("--model", tmp_path / "ours")
    status, _, errors = teran_run("index", photos, *model)
    assert status == 1 and "--features" in errors and "bu_att/dog.npz" in errors
    features = selfalign.write_features(tmp_path / "features", [f"{n:04}" for n in range(5)], size=(96, 72))
    status, _, errors = teran_run("index", photos, *model, "--features", features)
    assert status == 0 and "1 failed, 5 indexed" in errors and "0005.jpg: features_unreadable" in errors
    status, output, _ = teran_run("search", "a red dog", *model, "--limit", 3)
    assert status == 0 and output.count(str(photos)) == 3
    status, _, errors = teran_run("search", "a red dog", *model, "--explain")
    assert status == 1 and "without an explanation" in errors and errors.count("\n") == 1


def test_a_model_that_finds_regions_takes_no_features(teran_run, photos):
    status, _, errors = teran_run("index", photos, "--features", photos)
    assert status == 1 and "finds regions by itself" in errors


def test_a_wrong_recipe_is_one_line_that_says_what_is_allowed(teran_run, tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "x"\ncolour = "red"\n')
    status, _, errors = teran_run("train", tmp_path / "recipe.toml")
    assert status == 1 and "unknown key 'colour'; known are name, data, model, stages, dtype" in errors


def test_a_training_that_is_stopped_does_not_pass_for_a_finished_one(
    teran_run, photos, tiny_checkpoint, tmp_path, monkeypatch
):
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(teran, "stop_on_signal", lambda **_: stopping)
    lines = [{"image": f"{n:04}.jpg", "captions": ["a dog", "a ball"]} for n in range(6)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "recipe.toml").write_text(
        f'name = "x"\n[data]\ncaptions = "captions.jsonl"\nimages = "{photos}"\nheld_out = 0.3\n'
        f'[model]\nstart = "{tiny_checkpoint}"\n'
        '[[stages]]\nkind = "align"\nname = "sides"\nimages = 2\ncaptions = 1\n'
        "optimization = { epochs = 2, lr = 1e-3 }\n"
    )
    status, output, errors = teran_run("train", tmp_path / "recipe.toml", "--work", tmp_path / "work")
    assert status == 130 and "the same command goes on" in output + errors
    assert not (tmp_path / "work" / "checkpoint").exists()


@pytest.mark.parametrize(("name", "told"), [("plot.txt", ".png or .jpg"), ("nowhere/plot.png", "nowhere is no folder")])
def test_what_cannot_be_drawn_into_is_refused_before_the_work(teran_run, tmp_path, name, told):
    captioned = ("--captions", tmp_path / "none.jsonl", "--images", tmp_path)
    for command in (("evaluate", "--plot"), ("draw", "-o")):
        status, _, errors = teran_run(*command, tmp_path / name, *captioned)
        assert status == 1 and told in errors


def test_region_features_of_files_are_drawn_one_by_one_and_on_a_sheet(teran_run, photos, tmp_path):
    published = save_published(tmp_path / "best.pth.tar", published_weights())
    teran_run("import", published, tmp_path / "ours", "--bert", write_bert(tmp_path / "bert"))
    features = selfalign.write_features(tmp_path / "features", ["0000", "0001"], size=(96, 72))
    for path in (features / "bu_att").iterdir():
        np.savez(path, feat=np.random.default_rng(0).random((5, 8), dtype=np.float32))
    model = ("--model", tmp_path / "ours", "--features", features, "-o", tmp_path / "drawn.png")
    assert teran_run("draw", photos / "0001.jpg", "a dog", *model)[0] == 0
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(json.dumps({"image": f"{n:04}.jpg", "captions": ["a dog"]}) for n in range(2)))
    status, _, errors = teran_run("draw", "--captions", captions, "--images", photos, *model)
    assert status == 0 and "2 images" in errors


COMMANDS = typer.main.get_command(teran.app).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_default_in_brackets(name, monkeypatch):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 250)
    shown = CliRunner().invoke(teran.app, [name, "--help"]).output
    helped = [parameter.help or "" for parameter in COMMANDS[name].params]
    for default in (found for text in helped for found in re.findall(r"\[.*?\]", text)):
        assert default in shown
