"""Find what would go wrong in a training, now: `m3i train --dry-run`.

Builds everything, makes two steps, evaluates a batch of every set, and writes
and reads a checkpoint. A mistake is one line and exit status 2.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from m3i_mm.runs.cli import main_train

__all__ = ['main']


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``m3i check``.

    Args:
        arguments (Sequence[str] | None): The command line, as of
            ``m3i train``.

    Raises:
        SystemExit: With status 2 if there is a mistake.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    main_train([*words, '--dry-run'])
