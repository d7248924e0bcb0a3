"""Import of a checkpoint that its authors published, of whichever system it is."""

from collections.abc import Sequence
from pathlib import Path

from model.hat.published import import_published as import_hat
from model.hat.published import is_published as is_hat
from model.selfalign.published import import_published as import_selfalign
from model.selfalign.published import is_published as is_selfalign
from model.teran.published import import_published as import_teran


def import_published(
    checkpoint: Path,
    folder: Path,
    *,
    bert: str | None = None,
    ensemble: Sequence[Path] = (),
    vocabulary: Path | None = None,
) -> None:
    """Convert to a folder of our own format. `ensemble` is of HAT alone, `vocabulary` of SelfAlign on VSRN."""
    if ensemble or is_hat(checkpoint):
        import_hat([checkpoint, *ensemble], folder, bert=bert)
    elif is_selfalign(checkpoint):
        import_selfalign(checkpoint, folder, bert=bert, vocabulary=vocabulary)
    else:
        import_teran(checkpoint, folder, bert=bert)
