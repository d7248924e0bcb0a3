"""What can go wrong in `service` itself.

ServiceError
├── Overloaded          too much waits already
├── NotFound            no such image, job or collection
├── InvalidRequest      understood, but not to be done as asked
├── TooManyFiles        more than one request may bring
└── BadSettings         what was set from outside cannot be
"""


class ServiceError(Exception):
    """The root: its message says what is wrong, where, and what to do."""


class Overloaded(ServiceError):
    pass


class NotFound(ServiceError):
    pass


class InvalidRequest(ServiceError):
    pass


class TooManyFiles(ServiceError):
    pass


class BadSettings(ServiceError):
    pass
