"""How a command ends over a mistake of its user."""

from __future__ import annotations

import sys

__all__ = ['MistakeExit']


class MistakeExit(SystemExit):
    """Ends the process with one line on standard error and status 2.

    As argparse does; 1 is left to faults of the program.

    Args:
        message (str): What is wrong, and the way out.
    """

    def __init__(self, message: str) -> None:
        line = f'error: {" ".join(message.split())}'
        super().__init__(line)
        self.code = 2
        print(line, file=sys.stderr)
