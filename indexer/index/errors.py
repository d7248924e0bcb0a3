"""What can go wrong with an index.

IndexFault
├── BadCollectionName   not a name a collection can have
├── UnknownCollection   there is no such collection
├── NoCommit            the collection's folder is there, but nothing was ever committed to it
├── Damaged             a file is not what was written
│   └── Missing         a file that the commit names is not there
├── UnknownFormat       the files are of a format that this program does not read
├── ModelMismatch       the index and the vectors at hand come from different weights
├── BadEntry            an image was refused before anything of it was written
├── BadQuery            the vectors of a sentence cannot be searched for
└── WriterBusy          another writer held the collection for too long
"""

from pathlib import Path


class IndexFault(Exception):
    """The root: its message says what is wrong, where, and what to do."""


class BadCollectionName(IndexFault):
    pass


class UnknownCollection(IndexFault):
    pass


class NoCommit(IndexFault):
    pass


class Damaged(IndexFault):
    def __init__(self, file: Path, what: str) -> None:
        super().__init__(f"{file}: {what}; restore the collection from a copy or index its images again")
        self.file = file
        self.what = what


class Missing(Damaged):
    def __init__(self, file: Path) -> None:
        super().__init__(file, "it is missing")


class UnknownFormat(IndexFault):
    pass


class ModelMismatch(IndexFault):
    pass


class BadEntry(IndexFault):
    pass


class BadQuery(IndexFault):
    pass


class WriterBusy(IndexFault):
    pass
