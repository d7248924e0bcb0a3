"""A training as a TOML file describes it: data, model, and the stages one after the other."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from model.hat.config import HatConfig
from model.regions.mobilenet import MobileNetV2Config
from model.regions.windows import WindowsConfig
from model.selfalign.config import CameraConfig, VsrnConfig
from model.teran.config import TeranConfig
from model.training.align import AlignConfig
from model.training.distil import DistilConfig
from model.training.hat.stage import HatStage
from model.training.selfalign.stage import SelfAlignStage
from model.training.tables import read_toml


class Layout(StrEnum):
    JSONL = "jsonl"  # {"image", "captions", "split"}, one object a line
    COCO = "coco"  # as TERAN was published with: annotations and lists of ids
    FLICKR30K = "flickr30k"  # Karpathy's one file, dataset_flickr30k.json


SPLITS: Final = {Layout.COCO: ("train", "restval", "dev", "test"), Layout.FLICKR30K: ("train", "val", "test")}


@dataclass(frozen=True, slots=True)
class DataTable:
    """Either `images`, a folder of pictures, or `features`, a folder with `bu_att` and `bu_box`."""

    captions: Path  # a file of JSON lines; of COCO and Flickr30k the folder of the data sets
    layout: Layout = Layout.JSONL
    images: Path | None = None
    features: Path | None = None
    train: tuple[str, ...] = ("train",)  # splits
    validation: str | None = None  # a split; without it a share of all images, chosen by their names, is held out
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if (self.images is None) == (self.features is None):
            raise ValueError("either `images` or `features` must be named, and not both")
        if not self.train:
            raise ValueError("`train` must name a split at least")
        if known := SPLITS.get(self.layout):
            for name, split in [*(("train", one) for one in self.train), ("validation", self.validation)]:
                if split not in known:
                    raise ValueError(f"`{name}` must name a split of {self.layout}: {', '.join(known)}")
        if self.validation in self.train or not 0 < self.held_out < 1:
            raise ValueError("`validation` must not be trained on, and `held_out` must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class ModelTable:
    """Either `start`, a checkpoint to go on from, or the sizes of a new model."""

    start: str | None = None
    teran: TeranConfig = field(default_factory=TeranConfig)
    hat: HatConfig | None = None  # in place of a TERAN, as the next two: only one of them can be named
    camera: CameraConfig | None = None
    vsrn: VsrnConfig | None = None
    windows: WindowsConfig | None = None  # without it regions come from files of features
    pretrained: Path | None = None  # an ONNX file with weights for the network of the windows
    # A folder, a package or a hub name of a BERT: its vocabulary and first layers begin the sentence side.
    bert: str | None = None
    # Likewise of a Swin: its sizes and weights begin the image side of a HAT.
    swin: str | None = None
    vocabulary_size: int = 6000  # pieces, learned from the captions where there is no `bert`
    least_count: int = 4  # times that a word must occur in the captions to be one of VSRN's

    @property
    def system(self) -> str:
        named = {"hat": self.hat, "camera": self.camera, "vsrn": self.vsrn}
        return next((name for name, config in named.items() if config is not None), "teran")

    def __post_init__(self) -> None:
        others = [config for config in (self.hat, self.camera, self.vsrn) if config is not None]
        of_teran = self.windows or self.pretrained or self.teran != TeranConfig()
        if self.start is not None and (of_teran or others or self.bert or self.swin):
            raise ValueError("`start` brings sizes and weights of its own: leave out all else")
        if len(others) > 1 or (others and of_teran):
            raise ValueError("a model is of one system: teran with its windows, hat, camera or vsrn")
        if (self.swin and self.hat is None) or (self.bert and self.vsrn is not None):
            raise ValueError("`swin` is for hat alone, and vsrn reads whole words: leave out `bert`")
        if self.windows is not None and self.windows.feature_width != self.teran.feature_width:
            raise ValueError(
                f"a region has one width, but teran.feature_width is {self.teran.feature_width}"
                f" and windows.feature_width {self.windows.feature_width}"
            )
        if self.teran.stopwords:
            raise ValueError("teran.stopwords cannot be trained with: name them when it is done")


Stage = AlignConfig | DistilConfig | HatStage | SelfAlignStage


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str  # of the model
    data: DataTable
    model: ModelTable
    stages: tuple[Stage, ...]
    dtype: Literal["float32", "float16"] = "float32"  # of the weights in the finished checkpoint

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or isinstance(self.stages[-1], DistilConfig):
            raise ValueError("there must be stages, the last one not of kind distil")
        for name, count in Counter(names).items():
            if count > 1 or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"a stage cannot be named {name!r}: letters, digits, - and _, and no two alike")
        distils = any(isinstance(one, DistilConfig) for one in self.stages)
        learns = distils or any(isinstance(one, AlignConfig) and one.convnet_lr for one in self.stages)
        windows = self.model.windows
        if windows is not None and windows.convnet == MobileNetV2Config() and not (self.model.pretrained or learns):
            raise ValueError("the network of the windows would stay random: name model.pretrained, or distil one first")
        if distils and (windows is None or windows.convnet != MobileNetV2Config() or self.data.images is None):
            raise ValueError("a stage of kind distil takes pictures and a MobileNetV2 of full width")


def read_recipe(path: Path) -> Recipe:
    return read_toml(path, Recipe)
