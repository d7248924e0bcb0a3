"""SPINE of training: from a recipe, through its stages, to a checkpoint folder. Each stage goes on where it stopped."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.checkpoint import fingerprint
from model.errors import BadRecipe
from model.framing import Framing
from model.regions.files import FeatureFiles
from model.regions.mobilenet import MobileNetV2
from model.regions.windows import WindowExtractor
from model.training.align import AlignConfig, AlignTask, Split, ViewKind
from model.training.beginning import Beginning, begin
from model.training.building import TeranBeginning, checkpoint_folder
from model.training.captioned import CaptionedSet
from model.training.data import CaptionedImages, read_training_data
from model.training.distil import DistilConfig, DistilTask, Student
from model.training.hardware import Arithmetic, Hardware, find_hardware, first_alone
from model.training.hat.building import HatBeginning
from model.training.hat.stage import HatStage
from model.training.hat.task import HatTask
from model.training.loop import Task, Watch, run_stage
from model.training.origins import content_of
from model.training.pictures import digest, list_pictures, load_pictures
from model.training.readable import check_readable
from model.training.recipe import Recipe, Stage
from model.training.selfalign.building import CameraBeginning, VsrnBeginning
from model.training.selfalign.stage import SelfAlignStage
from model.training.selfalign.task import SelfAlignTask
from model.training.sentence_teacher import Meanings, ask_teacher
from model.training.state import check_begun
from model.training.text_encoders import place_of
from model.training.tutor import ask_tutor, load_tutor
from model.training.tutored import TutorVectors
from model.training.views import ImageSet, Pictures, PublishedRegions, StoredViews, store_views

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    root: Path  # what a recipe names lies below it
    work: Path  # checkpoints, logs and what is computed once
    output: Path  # the finished checkpoint


def train_recipe(recipe: Recipe, places: Places, *, device: str, watch: Watch, stopping: threading.Event) -> bool:
    """True when all is done; False when it was stopped, and the same call goes on."""
    hardware = find_hardware(device)
    train, validation = read_training_data(recipe.data, places.root)
    logger.info("%d images to train on, %d to validate with", len(train), len(validation))
    with first_alone(hardware):
        captions = (caption for own in train.captions for caption in own)
        begun = begin(recipe, captions, root=places.root, text=places.work / "text")
    begun.module.to(hardware.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    course = _Course(recipe, places, hardware, begun, _student(begun, recipe, hardware), train, validation)
    for stage in recipe.stages:
        _check_stage(stage, train, hardware)
    for number, stage in enumerate(recipe.stages, start=1):
        logger.info("stage %s", stage.name)
        run, identity = places.work / stage.name, course.identity(recipe.stages[:number])
        check_begun(run, identity=identity)  # before its data are made ready
        finished = run_stage(
            course.task(stage),
            stage.optimization,
            run=run,
            identity=identity,
            hardware=hardware,
            watch=watch,
            stopping=stopping,
        )
        if not finished:
            return False
        course.finish(stage)
    if hardware.rank == 0:
        course.publish()
    return True


def _check_stage(stage: Stage, train: CaptionedImages, hardware: Hardware) -> None:
    """Before the stages ahead of it take their hours."""
    if not isinstance(stage, DistilConfig) and len(train) < stage.images:
        raise BadRecipe(
            f"stage {stage.name}: the {len(train)} images to train on are no batch of {stage.images}:"
            " lower `images` of the stage"
        )
    if stage.optimization.dtype == torch.float16 and hardware.device.type == "cpu":
        raise BadRecipe(f"stage {stage.name}: float16 is for GPUs; take bfloat16 or float32")


def _student(begun: Beginning, recipe: Recipe, hardware: Hardware) -> Student | None:
    if not any(isinstance(stage, DistilConfig) for stage in recipe.stages):
        return None
    student = Student(_convnet_of(begun)).to(hardware.device)
    return student.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _convnet_of(begun: Beginning) -> MobileNetV2:
    """Of a recipe that distils: it has pictures and such a network, or it would have been refused."""
    assert isinstance(begun, TeranBeginning) and begun.trainee.regions is not None
    assert isinstance(begun.trainee.regions.convnet, MobileNetV2)
    return begun.trainee.regions.convnet


@dataclass(frozen=True, slots=True)
class _Course:
    """What the stages of one training have in common."""

    recipe: Recipe
    places: Places
    hardware: Hardware
    begun: Beginning
    student: Student | None  # where there is something to distil
    train: CaptionedImages
    validation: CaptionedImages

    def task(self, stage: Stage) -> Task[Any]:
        arithmetic = Arithmetic(self.hardware.device, stage.optimization.dtype)
        match stage:
            case AlignConfig():
                return self._align_task(stage, arithmetic)
            case DistilConfig():
                return self._distil_task(stage, arithmetic)
            case HatStage():
                return self._hat_task(stage, arithmetic)
            case SelfAlignStage():
                return self._selfalign_task(stage, arithmetic)

    def identity(self, stages: Sequence[Stage]) -> str:
        """What the weights after these stages depend on: of pictures and features the names, for data may be moved.

        How often a checkpoint is written is no part of it.
        """
        told = [replace(one, optimization=replace(one.optimization, checkpoint_every=1)) for one in stages]
        data = digest(part for one in (self.train, self.validation) for part in one.told())
        taught_by = [self._taught_by(stage) for stage in stages]
        return repr((self.begun.origin, data, self.recipe.model, told, self.hardware.processes, taught_by))

    def _taught_by(self, stage: Stage) -> str:
        """What a stage learns from beside the captioned images."""
        root = self.places.root
        told = []
        match stage:
            case DistilConfig():
                told = [content_of(root / stage.teacher), *(picture.name for picture in self._more_pictures(stage))]
            case AlignConfig(teacher=teacher, tutor=tutor):
                told += [content_of(place_of(teacher.model, root))] if teacher is not None else []
                told += [fingerprint(checkpoint_folder(tutor.model, root))] if tutor is not None else []
        return digest(told)

    def _more_pictures(self, stage: DistilConfig) -> list[Path]:
        return [file for folder in stage.pictures for file in list_pictures(self.places.root / folder)]

    def finish(self, stage: Stage) -> None:
        if isinstance(stage, DistilConfig) and self.student is not None:
            self.student.fill(_convnet_of(self.begun))

    def publish(self) -> None:
        dtype = torch.float16 if self.recipe.dtype == "float16" else torch.float32
        self.begun.save(self.places.output, name=self.recipe.name, dtype=dtype)

    @property
    def _teran(self) -> TeranBeginning:
        assert isinstance(self.begun, TeranBeginning)
        return self.begun

    def _align_task(self, stage: AlignConfig, arithmetic: Arithmetic) -> AlignTask:
        check_readable([self.train], self._teran.check_reads_beginning)
        check_readable([self.validation], self._teran.check_reads)
        tutor = load_tutor(stage.tutor, self._teran, root=self.places.root) if stage.tutor is not None else None
        longest = min(stage.longest, self._teran.trainee.teran.config.bert.positions)
        with first_alone(self.hardware):
            train, validation = (
                Split(
                    self._images(images, stage, arithmetic, views=views),
                    CaptionedSet(images.captions, self._teran.tokenizer, longest=longest),
                )
                for images, views in ((self.train, stage.stored_views), (self.validation, 1))
            )
            meanings = self._meanings(stage, arithmetic)
            vectors = self._tutor_vectors(tutor, stage, arithmetic) if tutor is not None else None
        return AlignTask(
            self._teran.trainee,
            self._teran.tokenizer,
            stage,
            train=train,
            validation=validation,
            arithmetic=arithmetic,
            meanings=meanings,
            tutor=vectors,
        )

    def _meanings(self, stage: AlignConfig, arithmetic: Arithmetic) -> Meanings | None:
        if stage.teacher is None:
            return None
        logger.info("asking %s what the captions mean, unless it is stored", stage.teacher.model)
        return ask_teacher(
            stage.teacher.model,
            self.train.captions,
            root=self.places.root,
            folder=self.places.work / "cache",
            arithmetic=arithmetic,
        )

    def _tutor_vectors(self, tutor: TeranBeginning, stage: AlignConfig, arithmetic: Arithmetic) -> TutorVectors:
        regions = tutor.trainee.to(arithmetic.device).regions
        assert regions is not None
        logger.info("asking the tutor where it puts pictures and captions, unless it is stored")
        return ask_tutor(
            tutor,
            self._stored_views(self.train, regions, stage, arithmetic, views=stage.stored_views),
            self.train.captions,
            reader=self._teran.tokenizer,
            folder=self.places.work / "cache",
            arithmetic=arithmetic,
        )

    def _images(self, images: CaptionedImages, stage: AlignConfig, arithmetic: Arithmetic, *, views: int) -> ImageSet:
        features, regions = self.recipe.data.features, self._teran.trainee.regions
        if features is not None:
            width = self._teran.trainee.teran.config.feature_width
            return PublishedRegions(FeatureFiles(self.places.root / features, width), images.published)
        assert regions is not None  # or it would not have begun
        if stage.views is ViewKind.FRESH:
            return Pictures(self._pictures(images.files), smallest_crop=stage.smallest_crop)
        return self._stored_views(images, regions, stage, arithmetic, views=views)

    def _stored_views(
        self,
        images: CaptionedImages,
        regions: WindowExtractor,
        stage: AlignConfig,
        arithmetic: Arithmetic,
        *,
        views: int,
    ) -> StoredViews:
        pictures = self._pictures(images.files)
        logger.info("pooling the windows of %d views of %d pictures, unless they are stored", views, len(pictures))
        return store_views(
            pictures,
            regions,
            views=views,
            smallest_crop=stage.smallest_crop,
            arithmetic=arithmetic,
            folder=self.places.work / "cache",
        )

    def _pictures(self, files: Sequence[Path]) -> NDArray[np.uint8]:
        regions = self._teran.trainee.regions
        assert regions is not None
        logger.info("decoding %d pictures, unless they are stored", len(files))
        return load_pictures(files, framing=Framing(regions.picture_side), folder=self.places.work / "cache")

    def _distil_task(self, stage: DistilConfig, arithmetic: Arithmetic) -> DistilTask:
        try:
            from model.training.teacher import Teacher
        except ImportError as error:
            raise BadRecipe(f"stage {stage.name} takes the extra `train`: install it") from error
        assert self.student is not None
        more = self._more_pictures(stage)
        with first_alone(self.hardware):
            pictures = self._pictures([*self.train.files, *more])
            validation = self._pictures(self.validation.files)
        return DistilTask(
            self.student,
            Teacher(self.places.root / stage.teacher, arithmetic),
            stage,
            pictures=pictures,
            validation=validation,
            arithmetic=arithmetic,
        )

    def _hat_task(self, stage: HatStage, arithmetic: Arithmetic) -> HatTask:
        assert isinstance(self.begun, HatBeginning)
        with first_alone(self.hardware):
            return HatTask(
                self.begun,
                stage,
                train=self.train,
                validation=self.validation,
                cache=self.places.work / "cache",
                arithmetic=arithmetic,
            )

    def _selfalign_task(self, stage: SelfAlignStage, arithmetic: Arithmetic) -> SelfAlignTask:
        assert isinstance(self.begun, CameraBeginning | VsrnBeginning) and self.recipe.data.features is not None
        return SelfAlignTask(
            self.begun,
            stage,
            train=self.train,
            validation=self.validation,
            features=self.places.root / self.recipe.data.features,
            arithmetic=arithmetic,
        )
