"""Which modules are units of a sharded model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ..registry import FUNCTIONS

__all__ = ['wrap_modules']


@FUNCTIONS.register_module()
def wrap_modules(
    module: nn.Module,
    recurse: bool,
    nonwrapped_numel: int,
    names: Sequence[str] = (),
) -> bool:
    """Shard the modules of some classes separately (FSDP's wrap policy).

    The backbone and the neck have to be among them, besides their blocks:
    then the momentum encoder, which has the same classes, is cut at the same
    places, and each process can average the shards that it holds.

    Args:
        module (nn.Module): The module in question.
        recurse (bool): Whether FSDP asks to look at the children.
        nonwrapped_numel (int): Not used.
        names (Sequence[str]): Class names.

    Returns:
        bool: Whether to look further, or to make the module a unit.
    """
    return recurse or type(module).__name__ in names
