"""The same work on many items in several processes, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

from tqdm.auto import tqdm

from m3i_mm.utils.processes import follow_parent

__all__ = ['map_processes']

T = TypeVar('T')

_function: Callable[[Any], Any]


def map_processes(
    function: Callable[[Any], T],
    items: Sequence[Any],
    num_workers: int,
    description: str,
) -> list[T]:
    """Apply a function to items.

    Args:
        function (Callable): It may hold large data: processes inherit it by
            forking instead of being sent a copy for every item.
        items (Sequence): Its arguments.
        num_workers (int): The number of processes.
        description (str): Stands before the progress bar.

    Returns:
        list: The results in the order of the items.
    """
    with ProcessPoolExecutor(
        num_workers,
        mp_context=get_context('fork'),
        initializer=_keep,
        initargs=(function,),
    ) as pool:
        results = pool.map(_call, items)
        bar = tqdm(results, description, total=len(items), disable=None)
        return list(bar)


def _keep(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    follow_parent()


def _call(item: Any) -> Any:
    return _function(item)
