"""The model that a recipe begins with: the sizes and first weights of its parts, and its vocabulary."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import BertModel

from model.checkpoint import BUNDLED, fingerprint, load_weights, read_config
from model.errors import BadRecipe
from model.regions.convnet import ConvNet
from model.regions.mobilenet import MobileNetV2
from model.regions.timm_network import TimmNetwork
from model.regions.windows import WindowExtractor, WindowsConfig
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.published import read_bert_sizes
from model.teran.tokenizer import Tokenizer
from model.training.recipe import ModelTable
from model.training.text_encoders import place_of
from model.training.trainee import Trainee
from model.training.vocabulary import learn_vocabulary


@dataclass(frozen=True, slots=True)
class Beginning:
    trainee: Trainee
    tokenizer: Tokenizer
    origin: str  # another one for other weights that a recipe names, and that might change in their place


def build(table: ModelTable, captions: Iterable[str], *, root: Path, text: Path) -> Beginning:
    """`captions` are those of the training images; their vocabulary is kept in the folder `text`."""
    if table.start is not None:
        return _from_checkpoint(BUNDLED if table.start == "bundled" else root / table.start)
    bert = place_of(table.bert, root) if table.bert is not None else None
    tokenizer = _learned_tokenizer(captions, table.vocabulary_size, text) if bert is None else Tokenizer(bert)
    torch.manual_seed(0)
    try:
        teran = Teran(replace(table.teran, bert=_bert_sizes(table.teran.bert, bert, tokenizer)))
        regions = WindowExtractor(table.windows) if table.windows is not None else None
    except (AssertionError, ValueError) as error:
        raise BadRecipe(f"no model has these sizes: {error}") from error
    if bert is not None:
        pretrained = BertModel.from_pretrained(
            bert, num_hidden_layers=teran.config.bert.layers, add_pooling_layer=False
        )
        teran.sentence_side.bert.load_state_dict(pretrained.state_dict())
    if regions is not None:
        _load_pretrained(regions, root / table.pretrained if table.pretrained is not None else None)
    return Beginning(Trainee(teran, regions), tokenizer, origin=f"{bert} {table.pretrained}")


def _from_checkpoint(folder: Path) -> Beginning:
    config = read_config(folder)
    if config["system"] != "teran":
        raise BadRecipe(f"{folder} is a checkpoint of {config['system']}: only TERAN is trained here")
    teran = Teran(TeranConfig.from_json(config["teran"]))
    regions = WindowExtractor(WindowsConfig.from_json(config["regions"])) if config["regions"] is not None else None
    load_weights(folder, {"teran": teran} | ({"regions": regions} if regions is not None else {}))
    return Beginning(Trainee(teran, regions), Tokenizer(folder), origin=fingerprint(folder))


def _learned_tokenizer(captions: Iterable[str], size: int, folder: Path) -> Tokenizer:
    if not (folder / "vocab.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "vocab.draft"
        learn_vocabulary(captions, size=size, path=draft)
        draft.replace(folder / "vocab.txt")
    return Tokenizer(folder)


def _bert_sizes(sizes: BertSizes, bert: str | None, tokenizer: Tokenizer) -> BertSizes:
    return replace(sizes, vocabulary=tokenizer.size) if bert is None else read_bert_sizes(bert, layers=sizes.layers)


def _load_pretrained(regions: WindowExtractor, weights: Path | None) -> None:
    match regions.convnet:
        case ConvNet():
            if weights is not None:
                raise BadRecipe("model.pretrained is for a network of kind mobilenetv2; ours begin with random weights")
        case MobileNetV2():
            if weights is None:
                raise BadRecipe("model.pretrained must name the ONNX file with the weights of mobilenetv2")
            _load_onnx(regions.convnet, weights)
        case TimmNetwork():
            hub = TimmNetwork(regions.convnet.config, pretrained=True)
            regions.convnet.load_state_dict(hub.state_dict())


def _load_onnx(network: MobileNetV2, path: Path) -> None:
    try:
        from model.training.onnx_weights import load_onnx_weights
    except ImportError as error:
        raise BadRecipe(f"reading {path} takes the extra `train`: install it") from error
    load_onnx_weights(network, path)
