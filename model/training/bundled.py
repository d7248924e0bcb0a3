"""The recipe of the bundled checkpoint, from random weights to the folder that ships; every step resumes where it was.

Usage: python -m model.training.bundled --shared FOLDER --work FOLDER
FOLDER of `--shared` holds the captioned photographs, photographs without captions, and the teacher network.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoint import BUNDLED, save_checkpoint
from model.evaluation.captions import CaptionedImage, read_captions
from model.regions.convnet import ConvNet, ConvNetConfig
from model.regions.windows import WindowExtractor, WindowsConfig, pool_windows, window_boxes
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer
from model.training.align import AlignConfig, Trainee, train, validation_rsum
from model.training.captioned import CaptionedSet
from model.training.distil import DistilConfig, Teacher, distil
from model.training.pictures import list_pictures, load_pictures, random_views
from model.training.vocabulary import learn_vocabulary

logger = logging.getLogger(__name__)

NAME: Final = "teran-windows-v0"
WINDOWS: Final = WindowsConfig(ConvNetConfig(), feature_width=384, picture_side=224)
BERT: Final = BertSizes(width=256, layers=3, heads=4, feedforward=1024, positions=256)
TERAN: Final = TeranConfig(
    feature_width=384, embedding_width=256, image_layers=2, joint_layers=1, heads=4, feedforward=1024, bert=BERT
)
VOCABULARY_SIZE: Final = 6000
STORED_VIEWS: Final = 6  # of each training picture
ALIGNMENT: Final = AlignConfig(epochs=20, lr=5e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    make_bundled(options.shared, options.work, output=options.output, threads=options.threads)


def make_bundled(shared: Path, work: Path, *, output: Path, threads: int) -> None:
    photographs, captions = shared / "data/flickr8k/images", shared / "data/flickr8k/captions.jsonl"
    known = [image for image in read_captions(captions) if image.split in ("train", "extra")]
    held_back = read_captions(captions, split="val")
    side = WINDOWS.picture_side

    captioned = [photographs / image.image for image in known]
    pictures = load_pictures(
        captioned + list_pictures(shared / "data/coco_unlabelled"), side=side, cache=work / "pictures.npy"
    )
    teacher = Teacher(shared / "weights/mobilenetv2/mobilenetv2_224.onnx", threads=threads)
    convnet = distil(pictures, teacher, config=DistilConfig(), convnet=WINDOWS.convnet, run=work / "distil").eval()

    vocabulary = work / "text" / "vocab.txt"
    tokenizer = _tokenizer(known, vocabulary)
    trainee = _trainee(convnet, pieces=len(vocabulary.read_text(encoding="utf-8").splitlines()))
    valid = load_pictures(
        [photographs / image.image for image in held_back], side=side, cache=work / "pictures-val.npy"
    )
    train_set, valid_set = CaptionedSet(known, tokenizer), CaptionedSet(held_back, tokenizer)
    own = pictures[: len(known)]

    stored = _stored_views(convnet, own, path=work / "views.npy")
    valid_pooled = _pooled(convnet, valid)
    train(
        trainee,
        train_set,
        lambda rows, generator: _stored(stored, rows, generator),
        lambda: validation_rsum(trainee, valid_set, valid_pooled),
        config=ALIGNMENT,
        run=work / "sides",
    )
    save_checkpoint(
        output, name=NAME, teran=trainee.teran, regions=trainee.regions, tokenizer=tokenizer, dtype=torch.float16
    )


def _tokenizer(captioned: list[CaptionedImage], vocabulary: Path) -> Tokenizer:
    if not vocabulary.exists():
        vocabulary.parent.mkdir(parents=True, exist_ok=True)
        texts = (caption for image in captioned for caption in image.captions)
        learn_vocabulary(texts, size=VOCABULARY_SIZE, path=vocabulary)
    return Tokenizer(vocabulary.parent)


def _trainee(convnet: ConvNet, *, pieces: int) -> Trainee:
    torch.manual_seed(0)
    teran = Teran(replace(TERAN, bert=replace(BERT, vocabulary=pieces)))
    regions = WindowExtractor(WINDOWS)
    regions.convnet.load_state_dict(convnet.state_dict())
    return Trainee(teran, regions).to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def _stored_views(convnet: ConvNet, pictures: NDArray[np.uint8], *, path: Path) -> NDArray[np.float16]:
    """Pooled windows of the whole picture and of some random views, [V, N, R, width of the map]."""
    if not path.exists():
        draft = path.with_suffix(".draft.npy")
        shape = (STORED_VIEWS, len(pictures), len(window_boxes()), WINDOWS.convnet.feature_width)
        drawn = np.lib.format.open_memmap(draft, mode="w+", dtype=np.float16, shape=shape)
        for view in range(STORED_VIEWS):
            generator = np.random.default_rng(view) if view else None
            for start in range(0, len(pictures), 64):
                some = pictures[start : start + 64]
                drawn[view, start : start + 64] = _pooled(convnet, some, generator).half().numpy()
            logger.info("stored view %d of %d", view + 1, STORED_VIEWS)
        drawn.flush()
        draft.replace(path)
    stored: NDArray[np.float16] = np.load(path, mmap_mode="c")
    return stored


def _stored(stored: NDArray[np.float16], rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
    views = generator.integers(len(stored), size=len(rows))
    return torch.from_numpy(stored[views, rows]).float()


def _pooled(convnet: ConvNet, pictures: NDArray[np.uint8], generator: np.random.Generator | None = None) -> Tensor:
    """Pooled windows of the pictures as they are, or of random views; without gradients."""
    parts, was_training = [], convnet.training
    convnet.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(pictures), 64):
            some = pictures[start : start + 64]
            if generator is None:
                views = torch.from_numpy(np.ascontiguousarray(some)).permute(0, 3, 1, 2).float() / 255
            else:
                views = random_views(some, side=WINDOWS.picture_side, smallest=0.5, generator=generator)
            parts.append(pool_windows(convnet(views), window_boxes()).float())
    convnet.train(was_training)
    return torch.cat(parts)


if __name__ == "__main__":
    main()
