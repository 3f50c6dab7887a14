"""Ends a script whose program is not here, so that it counts as skipped."""
import sys

CODE = 77


def skip(why):
    """The last line says why."""
    print(why)
    sys.exit(CODE)
