"""The name of a job: it sorts by the time it was made at, and cannot be guessed."""

import secrets

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base 32 without I, L, O, U
RANDOM_BITS = 80


def new_job_id(now: float) -> str:
    """A ULID, 26 letters: 48 bits of milliseconds since 1970, then 80 random bits."""
    number = int(now * 1000) << RANDOM_BITS | secrets.randbits(RANDOM_BITS)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
