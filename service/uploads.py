"""From uploads and folders named in a request to the items of a job."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import UploadFile

from indexer.ledger.errors import UploadTooLarge
from indexer.ledger.items import NewItem, RefusedItem
from indexer.ledger.scan import resolve_under, scan
from indexer.ledger.spool import Spool
from service.errors import InvalidRequest

TOO_LARGE: Final = "image_too_large"  # as the decoder has it, too


@dataclass(frozen=True, slots=True)
class Submission:
    collection: str
    items: Iterable[NewItem | RefusedItem]
    digest: str  # the same request has the same, and no other one


def spool_uploads(spool: Spool, uploads: Sequence[UploadFile], *, collection: str, limit: int) -> Submission:
    """Bring the uploads to the disk for good; one that is too large is refused alone."""
    items = [_spooled(spool, upload, limit=limit) for upload in uploads]
    spool.sync()
    told = [f"{item.name}\0{item.image_id if isinstance(item, NewItem) else item.code}" for item in items]
    return Submission(collection, items, _digest(collection, told))


def list_folders(folders: Sequence[str], *, collection: str, roots: Sequence[Path]) -> Submission:
    """The photographs in folders on the server. Raises OutsideRoots and NoSuchPath."""
    if not roots:
        raise InvalidRequest("no folder on the server may be indexed: start the service with --root FOLDER")
    found = [resolve_under(folder, roots) for folder in folders]
    return Submission(collection, _files_in(found), _digest(collection, map(str, found)))


def _spooled(spool: Spool, upload: UploadFile, *, limit: int) -> NewItem | RefusedItem:
    name = upload.filename or "unnamed"
    try:
        file = spool.write(upload.file, limit=limit)
    except UploadTooLarge as error:
        return RefusedItem(name, TOO_LARGE, str(error))
    return NewItem(name, file.path, spooled=True, image_id=file.image_id)


def _files_in(folders: Sequence[Path]) -> Iterator[NewItem]:
    for path in scan(folders):
        yield NewItem(path.name, path)


def _digest(collection: str, parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join([collection, *parts]).encode(errors="replace")).hexdigest()
