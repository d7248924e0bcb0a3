"""From uploads and folders named in a request to a job on the disk."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from starlette.datastructures import UploadFile

from indexer.index.layout import collection_path
from indexer.index.manifest import check_model
from indexer.ledger.errors import UploadTooLarge
from indexer.ledger.items import NewItem, RefusedItem
from indexer.ledger.jobs import Job
from indexer.ledger.scan import resolve_under, scan
from indexer.ledger.spool import Spool
from service.errors import InvalidRequest
from service.parts import Parts
from service.upload_manifest import Metadata

TOO_LARGE: Final = "image_too_large"  # as the decoder has it, too


def submit_uploads(
    parts: Parts,
    uploads: Sequence[UploadFile],
    metadata: Mapping[str, Metadata],
    *,
    collection: str,
    idempotency_key: str | None,
) -> Job:
    """The job, when it and every byte of the uploads are on the disk; one that is too large is refused alone.

    `metadata` is that of each file name.
    """
    check_model(collection_path(parts.data, collection), parts.encoder.fingerprint)
    with _spooled(parts.spool, uploads, metadata, limit=parts.settings.max_file_bytes) as items:
        told = [[item.name, item.image_id if isinstance(item, NewItem) else item.code] for item in items]
        digest = _digest(collection, told, dict(metadata))
        return parts.ledger.submit(collection, items, idempotency_key=idempotency_key, request_digest=digest)


def submit_folders(parts: Parts, folders: Sequence[str], *, collection: str, idempotency_key: str | None) -> Job:
    """The job of all photographs in folders on the server. Raises OutsideRoots and NoSuchPath."""
    check_model(collection_path(parts.data, collection), parts.encoder.fingerprint)
    if not parts.settings.roots:
        raise InvalidRequest("no folder on the server may be indexed: start the service with --root FOLDER")
    found = [resolve_under(folder, parts.settings.roots) for folder in folders]
    digest = _digest(collection, [str(folder) for folder in found])
    return parts.ledger.submit(collection, _files_in(found), idempotency_key=idempotency_key, request_digest=digest)


@contextmanager
def _spooled(
    spool: Spool, uploads: Iterable[UploadFile], metadata: Mapping[str, Metadata], *, limit: int
) -> Iterator[list[NewItem | RefusedItem]]:
    """The uploads on the disk, for good if a job is made of them within the context."""
    items: list[NewItem | RefusedItem] = []
    try:
        for upload in uploads:
            items.append(_item(spool, upload, metadata, limit=limit))
        spool.sync()
        yield items
    except BaseException:
        for item in items:
            if isinstance(item, NewItem):
                spool.remove(item.path)
        raise


def _item(spool: Spool, upload: UploadFile, metadata: Mapping[str, Metadata], *, limit: int) -> NewItem | RefusedItem:
    name = name_of(upload)
    try:
        file = spool.write(upload.file, limit=limit)
    except UploadTooLarge as error:
        return RefusedItem(name, TOO_LARGE, str(error))
    return NewItem(name, file.path, spooled=True, image_id=file.image_id, metadata=metadata.get(name, {}))


def name_of(upload: UploadFile) -> str:
    return upload.filename or "unnamed"


def _files_in(folders: Sequence[Path]) -> Iterator[NewItem]:
    for path in scan(folders):
        yield NewItem(path.name, path)


def _digest(*request: object) -> str:
    """The same request has the same, and no other one."""
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()
