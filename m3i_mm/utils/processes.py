"""What becomes of the processes of a pool when the program is killed."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process

__all__ = ['follow_parent']


def follow_parent() -> None:
    """End this process of a pool when the one that started it is gone.

    Processes of a pool wait for work, or finish what they do, after their
    parent was killed: hours of trainings that nobody reads. Made to be the
    ``initializer`` of a pool, or called by it.
    """
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
