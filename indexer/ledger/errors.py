"""What can go wrong in `indexer.ledger`.

LedgerError
├── NoSuchPath             a file or folder that was named does not exist
├── OutsideRoots           a folder named over HTTP does not lie in one that the operator allows
├── UnknownJob             no job has this id
├── IdempotencyKeyReused   the key came before, with another request
├── UploadTooLarge         the upload has more bytes than are allowed
├── DiskFull               there is no room; what was acknowledged before is safe
├── LedgerBusy             another process has held the ledger for too long; nothing was written
├── NewerSchema            the ledger was written by a newer release
└── DamagedLedger          the file is not a ledger, or is damaged
"""


class LedgerError(Exception):
    """The root: its message says what is wrong, where, and what to do."""


class NoSuchPath(LedgerError):
    pass


class OutsideRoots(LedgerError):
    pass


class UnknownJob(LedgerError):
    pass


class IdempotencyKeyReused(LedgerError):
    pass


class UploadTooLarge(LedgerError):
    pass


class DiskFull(LedgerError):
    pass


class LedgerBusy(LedgerError):
    pass


class NewerSchema(LedgerError):
    pass


class DamagedLedger(LedgerError):
    pass
