"""Published checkpoints: what is in them is loaded strictly, and nothing of it is run."""

import os
import pickle
from types import SimpleNamespace

import pytest
import torch

from model.checkpoint import load_encoder, save_camera
from model.errors import BadCheckpoint
from model.selfalign.published import import_published, read_published, vsrn_of
from model.selfalign.word_pieces import WordPieces
from tests.selfalign import WORDS, PublishedWords, camera, regions, save_published, save_words, vsrn, write_pieces


def test_a_camera_becomes_a_folder_of_our_own_with_the_published_switches_on(tmp_path):
    checkpoint, bert = save_published(tmp_path / "best.pth.tar", camera()), write_pieces(tmp_path / "bert")
    import_published(checkpoint, tmp_path / "imported", bert=bert)
    encoder, some = load_encoder(str(tmp_path / "imported")), regions(4, 4)
    as_published = camera(scaling="feature").image_side(some.features, some.boxes, some.sizes)
    for image, views in zip(encoder.encode_features(some), as_published.joined, strict=True):
        torch.testing.assert_close(image.channels["views"], views)
    (sentence,) = encoder.encode_sentences(["a dog"])
    assert sentence.channels["views"].shape == (1, 24) and encoder.name == "best"


def test_a_vsrn_needs_its_words(tmp_path):
    checkpoint, folder = save_published(tmp_path / "best.pth.tar", vsrn()), tmp_path / "imported"
    with pytest.raises(BadCheckpoint, match="name its vocabulary"):
        import_published(checkpoint, folder)
    few = save_words(tmp_path / "few.pkl", PublishedWords(WORDS.words[:-1]))
    with pytest.raises(BadCheckpoint, match=f"{len(WORDS) - 1} words"):
        import_published(checkpoint, folder, vocabulary=few)
    import_published(checkpoint, folder, vocabulary=save_words(tmp_path / "words.pkl", PublishedWords(WORDS.words)))
    encoder = load_encoder(str(folder))
    ids, lengths = torch.tensor([WORDS("a red dog.")]), torch.tensor([6])
    (sentence,) = encoder.encode_sentences(["a red dog."])
    torch.testing.assert_close(sentence.channels["vector"], vsrn().sentence_side(ids, lengths).vectors)


def test_what_was_trained_on_flickr30k_is_told_by_its_name(tmp_path):
    options = SimpleNamespace(ctx_relu=1, data_name="f30k_precomp")
    checkpoint = save_published(tmp_path / "best.pth.tar", vsrn(image_norm=True))
    published = read_published(checkpoint)
    network = vsrn_of(type(published)(published.images, published.sentences, vars(options)))
    assert network.config.image_norm and network.config.feature_scaling == "none"


def test_what_is_pickled_beside_the_weights_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/was-run",)

    checkpoint = save_published(tmp_path / "evil.pth.tar", camera(), best_r1=Payload())
    with pytest.raises(BadCheckpoint, match="more than weights and settings"):
        read_published(checkpoint)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [b"", pickle.dumps({"model": [{}, {}]})])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "some.pth.tar").write_bytes(content)
    with pytest.raises(BadCheckpoint):
        read_published(tmp_path / "some.pth.tar")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda side: side.pop("rnn.bias_ih_l0"), "1 missing"),
        (lambda side: side.update({"rnn.bias_ih_l0": torch.zeros(9)}), "of another shape"),
        (lambda side: side.update({"typo.bias": torch.zeros(9)}), "not those of a published SelfAlign.*typo"),
    ],
)
def test_weights_must_fit_to_the_last_name(tmp_path, change, told):
    published = read_published(save_published(tmp_path / "best.pth.tar", vsrn()))
    change(published.sentences)
    with pytest.raises(BadCheckpoint, match=told):
        vsrn_of(published)


def test_a_folder_with_other_words_than_its_network_is_refused(tmp_path):
    folder = tmp_path / "camera"
    pieces = WordPieces(write_pieces(tmp_path / "bert"))
    save_camera(folder, name="tiny", camera=camera(), pieces=pieces, dtype=torch.float32)
    (folder / "vocab.txt").write_text((folder / "vocab.txt").read_text() + "one\nmore\n")
    with pytest.raises(BadCheckpoint, match="words"):
        load_encoder(str(folder))
