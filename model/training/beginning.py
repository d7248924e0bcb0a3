"""What a training begins with, of whichever system its recipe says."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from model.checkpoint import read_config
from model.errors import BadRecipe
from model.training.building import TeranBeginning, build_teran, checkpoint_folder, teran_of
from model.training.hat.building import HatBeginning, build_hat, hat_of
from model.training.recipe import DataTable, ModelTable, Recipe, Stage
from model.training.selfalign.building import (
    CameraBeginning,
    VsrnBeginning,
    build_camera,
    build_vsrn,
    camera_of,
    vsrn_of,
)

KINDS: Final = {"teran": ("align", "distil"), "hat": ("hat",), "camera": ("selfalign",), "vsrn": ("selfalign",)}

Beginning = TeranBeginning | HatBeginning | CameraBeginning | VsrnBeginning


def begin(recipe: Recipe, captions: Iterable[str], *, root: Path, text: Path) -> Beginning:
    """`captions` are those of the training images; a vocabulary of word pieces is kept in the folder `text`."""
    if recipe.model.start is None:
        check_fits(recipe.model.system, recipe.stages, recipe.data)
        begun = build(recipe.model, captions, root=root, text=text)
    else:
        folder = checkpoint_folder(recipe.model.start, root)
        system = read_config(folder)["system"]
        check_fits(system, recipe.stages, recipe.data)
        begun = go_on_from(folder, system)
    if isinstance(begun, TeranBeginning):
        check_sees(begun, recipe.data, start=recipe.model.start)
    return begun


def build(table: ModelTable, captions: Iterable[str], *, root: Path, text: Path) -> Beginning:
    if table.hat is not None:
        return build_hat(table, table.hat, captions, root=root, text=text)
    if table.camera is not None:
        return build_camera(table, table.camera, captions, root=root, text=text)
    if table.vsrn is not None:
        return build_vsrn(table, table.vsrn, captions)
    return build_teran(table, captions, root=root, text=text)


def go_on_from(folder: Path, system: str) -> Beginning:
    match system:
        case "hat":
            return hat_of(folder)
        case "camera":
            return camera_of(folder)
        case "vsrn":
            return vsrn_of(folder)
    return teran_of(folder)


def check_fits(system: str, stages: Sequence[Stage], data: DataTable) -> None:
    for stage in stages:
        if stage.kind not in KINDS[system]:
            allowed = " and ".join(KINDS[system])
            raise BadRecipe(f"stage {stage.name} is of kind {stage.kind}; those of {system} are of kind {allowed}")
    if system == "hat" and data.images is None:
        raise BadRecipe("HAT looks at pictures: name data.images")
    if system in ("camera", "vsrn") and data.features is None:
        raise BadRecipe(f"{system} takes region features: name data.features, a folder of bu_att/ and bu_box/")


def check_sees(begun: TeranBeginning, data: DataTable, *, start: str | None) -> None:
    """A TERAN either finds regions by itself, or is given them."""
    finds = begun.trainee.regions is not None
    if finds and data.features is not None:
        other = "" if start is not None else ", or leave out model.windows"
        raise BadRecipe(f"{start or 'this TERAN'} looks at photographs itself: name data.images, not features{other}")
    if not finds and data.images is not None:
        other = "name data.features" if start is not None else "model.windows must say how regions are found in them"
        raise BadRecipe(
            f"{start or 'this TERAN'} takes regions that were found already, and data.images are photographs: {other}"
        )
