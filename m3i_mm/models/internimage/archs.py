"""The seven published sizes of InternImage (paper, table 1 and appendix)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

__all__ = ['ARCHS', 'InternImageArch', 'get_arch', 'look_up']


@dataclass(frozen=True)
class InternImageArch:
    """Settings that fix the parameters and the function of an InternImage.

    Args:
        channels (int): Channels of the first stage; each stage doubles them.
        depths (tuple[int]): Number of blocks of each stage.
        groups (tuple[int]): DCNv3 groups of each stage.
        mlp_ratio (float): Width of the hidden MLP layer over the channels.
        layer_scale (float, optional): Initial factor of each residual branch;
            None for no factor.
        offset_scale (float): Factor on the DCNv3 grid and offsets.
        post_norm (bool): Normalise the output of a branch, not its input.
        dw_kernel_size (int, optional): Depth-wise kernel of DCNv3.
        res_post_norm (bool): Normalise the input and the output of a branch.
        level2_post_norm_block_ids (tuple[int]): Blocks of the third stage
            after which the residual stream itself is normalised.
        center_feature_scale (bool): See :class:`DCNv3`.
        head (str): Classifier head, ``'conv'`` or ``'attention_pool'``.

    Raises:
        ValueError: If settings contradict one another.
    """

    channels: int
    depths: tuple[int, ...]
    groups: tuple[int, ...]
    mlp_ratio: float = 4.0
    layer_scale: float | None = None
    offset_scale: float = 1.0
    post_norm: bool = False
    dw_kernel_size: int | None = None
    res_post_norm: bool = False
    level2_post_norm_block_ids: tuple[int, ...] = ()
    center_feature_scale: bool = False
    head: str = 'conv'

    def __post_init__(self) -> None:
        for name in ('depths', 'groups', 'level2_post_norm_block_ids'):
            object.__setattr__(self, name, tuple(getattr(self, name) or ()))
        if not len(self.depths) == len(self.groups) == 4:
            raise ValueError(
                'depths and groups need 4 numbers each, got '
                f'{self.depths} and {self.groups}'
            )
        if self.res_post_norm and (self.post_norm or self.layer_scale):
            raise ValueError(
                'res_post_norm has no effect with post_norm or layer_scale; '
                'switch one of them off'
            )
        outside = [
            i
            for i in self.level2_post_norm_block_ids
            if not 0 <= i < self.depths[2]
        ]
        if outside:
            raise ValueError(
                f'level2_post_norm_block_ids {outside} lie outside the third '
                f'stage, which has {self.depths[2]} blocks'
            )
        if self.head not in ('conv', 'attention_pool'):
            raise ValueError(
                f"head must be 'conv' or 'attention_pool', got {self.head!r}"
            )

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(self.channels * 2**i for i in range(4))


def _plain(
    channels: int, depths: tuple[int, ...], **settings: Any
) -> InternImageArch:
    """T to XL: groups of 16 channels, convolutional head."""
    groups = tuple(channels * 2**i // 16 for i in range(4))
    return InternImageArch(channels, depths, groups, **settings)


def _scaled(
    channels: int, depths: tuple[int, ...], **settings: Any
) -> InternImageArch:
    """H and G: groups of 32 channels, gated centre, attention pooling."""
    return InternImageArch(
        channels,
        depths,
        groups=tuple(channels * 2**i // 32 for i in range(4)),
        dw_kernel_size=5,
        level2_post_norm_block_ids=tuple(range(5, depths[2], 6)),
        center_feature_scale=True,
        head='attention_pool',
        **settings,
    )


_SCALED_BRANCH: dict[str, Any] = dict(post_norm=True, layer_scale=1e-5)
ARCHS: dict[str, InternImageArch] = {
    'tiny': _plain(64, (4, 4, 18, 4)),
    'small': _plain(80, (4, 4, 21, 4), **_SCALED_BRANCH),
    'base': _plain(112, (4, 4, 21, 4), **_SCALED_BRANCH),
    'large': _plain(160, (5, 5, 22, 5), offset_scale=2.0, **_SCALED_BRANCH),
    'xlarge': _plain(192, (5, 5, 24, 5), offset_scale=2.0, **_SCALED_BRANCH),
    'huge': _scaled(320, (6, 6, 32, 6), res_post_norm=True),
    'giant': _scaled(512, (2, 2, 48, 4), post_norm=True),
}


Arch = TypeVar('Arch', bound=InternImageArch)


def get_arch(
    arch: str | Mapping[str, Any] | InternImageArch,
    layer_scale: float | None = None,
) -> InternImageArch:
    """Look up or check the settings of an InternImage.

    Args:
        arch (str | dict | InternImageArch): A published size, or the fields
            of :class:`InternImageArch`.
        layer_scale (float, optional): Replaces the layer scale of ``arch``.

    Returns:
        InternImageArch: The settings.

    Raises:
        ValueError: See :func:`look_up`.
    """
    return look_up(ARCHS, arch, layer_scale)


def look_up(
    archs: Mapping[str, Arch],
    arch: str | Mapping[str, Any] | InternImageArch,
    layer_scale: float | None = None,
) -> Arch:
    """Look up or check the settings of a network of one family.

    Args:
        archs (dict): The published sizes of the family, all of one class.
        arch (str | dict | InternImageArch): One of them, or the fields of
            that class.
        layer_scale (float, optional): Replaces the layer scale of ``arch``.

    Returns:
        InternImageArch: The settings, of that class.

    Raises:
        ValueError: If the name or a field is unknown (the known ones are
            listed), or the settings contradict one another.
    """
    kind = type(archs['tiny'])
    if isinstance(arch, str):
        if arch not in archs:
            raise ValueError(
                f'InternImage has no arch {arch!r}, it has '
                f'{", ".join(archs)}; or give a dict'
            )
        arch = archs[arch]
    if not isinstance(arch, InternImageArch):
        known = {field.name for field in fields(kind)}
        unknown = sorted(set(arch) - known)
        missing = sorted({'channels', 'depths', 'groups'} - set(arch))
        if unknown or missing:
            raise ValueError(
                f'arch has unknown keys {unknown} and lacks {missing}; '
                f'known are {sorted(known)}'
            )
        arch = kind(**arch)
    if layer_scale is not None:
        arch = replace(arch, layer_scale=layer_scale)
    return cast(Arch, arch)
