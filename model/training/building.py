"""The TERAN that a recipe begins with: the sizes and first weights of its parts, and its vocabulary."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from transformers import BertModel

from model.checkpoint import BUNDLED, fingerprint, load_weights, read_config, save_checkpoint
from model.errors import BadRecipe
from model.regions.mobilenet import MobileNetV2
from model.regions.timm_network import TimmNetwork
from model.regions.windows import WindowExtractor, WindowsConfig
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.published import read_bert_sizes
from model.teran.tokenizer import Tokenizer, check_sentence
from model.training.origins import content_of
from model.training.pictures import digest
from model.training.recipe import ModelTable
from model.training.text_encoders import place_of
from model.training.trainee import Trainee
from model.training.vocabulary import learn_vocabulary


@dataclass(frozen=True, slots=True)
class TeranBeginning:
    trainee: Trainee
    tokenizer: Tokenizer
    origin: str  # another one for other weights that a recipe names, and that might change in their place

    @property
    def module(self) -> nn.Module:
        return self.trainee

    def check_reads(self, caption: str) -> None:
        """Raises BadSentence for what this model would not read in use either."""
        self._check(caption, longest=self.trainee.teran.config.bert.positions)

    def check_reads_beginning(self, caption: str) -> None:
        """The same for one that is cut when it is too long."""
        self._check(caption, longest=sys.maxsize)

    def _check(self, caption: str, *, longest: int) -> None:
        check_sentence(self.tokenizer(caption, append_full_stop=True), longest=longest)

    def save(self, folder: Path, *, name: str, dtype: torch.dtype) -> None:
        trainee, tokenizer = self.trainee, self.tokenizer
        save_checkpoint(
            folder, name=name, teran=trainee.teran, regions=trainee.regions, tokenizer=tokenizer, dtype=dtype
        )


def build_teran(table: ModelTable, captions: Iterable[str], *, root: Path, text: Path) -> TeranBeginning:
    bert = place_of(table.bert, root) if table.bert is not None else None
    place, pieces = word_pieces(table, bert, captions, text)
    tokenizer = Tokenizer(place)
    torch.manual_seed(0)
    try:
        teran = Teran(replace(table.teran, bert=bert_sizes(table.teran.bert, bert, tokenizer.size)))
        regions = WindowExtractor(table.windows) if table.windows is not None else None
    except (AssertionError, ValueError) as error:
        raise BadRecipe(f"no model has these sizes: {error}") from error
    if bert is not None:
        load_bert(teran.sentence_side.bert, bert)
    if regions is not None:
        _load_pretrained(regions, root / table.pretrained if table.pretrained is not None else None)
    pretrained = content_of(root / table.pretrained) if table.pretrained is not None else None
    return TeranBeginning(Trainee(teran, regions), tokenizer, origin=f"{pieces} {pretrained}")


def checkpoint_folder(name: str, root: Path) -> Path:
    """The bundled one, a folder below `root`, or one as it is named where the training is started."""
    if name == "bundled":
        return BUNDLED
    return root / name if (root / name).is_dir() else Path(name)


def teran_of(folder: Path) -> TeranBeginning:
    """A checkpoint to go on from."""
    config = read_config(folder)
    teran = Teran(TeranConfig.from_json(config["teran"]))
    regions = WindowExtractor(WindowsConfig.from_json(config["regions"])) if config["regions"] is not None else None
    load_weights(folder, {"teran": teran} | ({"regions": regions} if regions is not None else {}))
    return TeranBeginning(Trainee(teran, regions), Tokenizer(folder), origin=fingerprint(folder))


def word_pieces(table: ModelTable, bert: str | None, captions: Iterable[str], text: Path) -> tuple[str | Path, str]:
    """Where a tokeniser finds those of `bert`, or those that are learned; and what tells them from others."""
    place = bert if bert is not None else _learned_vocabulary(list(captions), table.vocabulary_size, text)
    return place, content_of(place)


def _learned_vocabulary(captions: Sequence[str], size: int, text: Path) -> Path:
    """A folder of these captions and this size, below `text`; it is learned only once."""
    folder = text / digest([str(size), *captions])
    if not (folder / "vocab.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "vocab.draft"
        learn_vocabulary(captions, size=size, path=draft)
        draft.replace(folder / "vocab.txt")
    return folder


def bert_sizes(sizes: BertSizes, bert: str | None, vocabulary: int) -> BertSizes:
    """Those of `bert`, as many layers of it as `sizes` has; without one, `sizes` for so many word pieces."""
    return replace(sizes, vocabulary=vocabulary) if bert is None else read_bert_sizes(bert, layers=sizes.layers)


def load_bert(network: BertModel, name: str) -> None:
    pretrained = BertModel.from_pretrained(
        name, num_hidden_layers=network.config.num_hidden_layers, add_pooling_layer=False
    )
    network.load_state_dict(pretrained.state_dict())


def _load_pretrained(regions: WindowExtractor, weights: Path | None) -> None:
    match regions.convnet:
        case MobileNetV2():
            if weights is not None:
                _load_onnx(regions.convnet, weights)
        case TimmNetwork():
            if weights is not None:
                raise BadRecipe("model.pretrained is for a network of kind mobilenetv2; timm's bring their own weights")
            hub = TimmNetwork(regions.convnet.config, pretrained=True)
            regions.convnet.load_state_dict(hub.state_dict())


def _load_onnx(network: MobileNetV2, path: Path) -> None:
    try:
        from model.training.onnx_weights import load_onnx_weights
    except ImportError as error:
        raise BadRecipe(f"reading {path} takes the extra `train`: install it") from error
    load_onnx_weights(network, path)
