"""Compare our implementation of a published system with its reference outputs.

Usage: python tests/parity/check.py SYSTEM DIR      SYSTEM: hat, selfalign, teran; DIR holds its fixtures or some
Prints a table and exits with 1 when any array misses its tolerance, with 2 when DIR holds no fixtures.
"""

import sys
from pathlib import Path

import hat_fixtures
import selfalign_fixtures
import teran_fixtures
from comparison import print_table

SYSTEMS = {"hat": hat_fixtures.check, "selfalign": selfalign_fixtures.check, "teran": teran_fixtures.check}


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in SYSTEMS:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[1])
    rows = list(SYSTEMS[arguments[0]](folder))
    if not rows:
        print(f"{folder} holds no fixtures of {arguments[0]}", file=sys.stderr)
        return 2
    return 0 if print_table(rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
