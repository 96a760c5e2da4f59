r"""Two InternImages that act as one (CBNetV2, Liang et al., IEEE TIP 2022).

::

    image -- stem -- stage 0 -- stage 1 -- stage 2 -- stage 3   assistant
               |        \________ \__________ \__________ \
               |        fused 0   fused 1    fused 2    fused 3
               |           |         |          |          |
               +------- stage 0 -- stage 1 -- stage 2 -- stage 3   lead

"Fused i" is the sum of the assistant's maps i ... 3, each projected to the
channels of stage i and enlarged to its size (dense higher-level composition,
section III-B). It is added to the input of the lead's stage i, with a factor
per channel that starts at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from .backbone import InternImage

__all__ = ['CompositeInternImage']


class _Lead(InternImage):
    """An InternImage without stem."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        del self.patch_embed

    def _freeze_stages(self) -> None:
        for stage in self.levels[: max(self.frozen_stages, 0)]:
            stage.eval()
            stage.requires_grad_(False)


def _forward_stages(
    stages: nn.ModuleList, x: Tensor, added: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """Run the stages, adding a map to the input of each.

    Args:
        stages (nn.ModuleList): The stages of an InternImage.
        x (Tensor): Output of its stem, (B, H, W, C).
        added (Sequence[Tensor], optional): For each stage a map of the shape
            of its input.

    Returns:
        list[Tensor]: The map of each stage, (B, c, h, w).
    """
    maps = []
    for index, stage in enumerate(stages):
        out, x = stage(x if added is None else x + added[index])
        maps.append(out.permute(0, 3, 1, 2).contiguous())
    return maps


class _Fusion(nn.Module):
    """Sum of the assistant's maps from one stage on, at that stage's size.

    Args:
        channels (Sequence[int]): Channels of these maps; the first are those
            of the stage.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            [
                nn.Identity(),
                *(nn.Conv2d(width, channels[0], 1) for width in channels[1:]),
            ]
        )
        self.gamma = nn.Parameter(torch.zeros(channels[0]))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse maps (B, c_j, h_j, w_j) to one of shape (B, h_0, w_0, c_0)."""
        size = maps[0].shape[2:]
        total = torch.zeros_like(maps[0])
        for project, source in zip(self.projections, maps, strict=True):
            total = total + F.interpolate(project(source), size)
        return self.gamma * total.permute(0, 2, 3, 1)


@MODELS.register_module()
class CompositeInternImage(BaseModule):
    """Composite of two InternImages of the same size.

    Used as any backbone it returns the lead's maps. A detector that trains
    with assistant supervision asks :meth:`forward_branches` for both.

    Args:
        out_indices (Sequence[int]): Stages whose maps are returned.
        init_cfg (dict, optional): Given to both InternImages, so that both
            start from the same pre-trained weights.
        **kwargs: Arguments of :class:`InternImage`.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        init_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.out_indices = tuple(out_indices)
        self.assistant = InternImage(init_cfg=init_cfg, **kwargs)
        self.lead = _Lead(out_indices=out_indices, init_cfg=init_cfg, **kwargs)
        channels = self.lead.arch.stage_channels
        self.fusions = nn.ModuleList(
            _Fusion(channels[index:]) for index in range(len(channels))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the lead's maps.

        Args:
            x (Tensor): (B, 3, H, W).

        Returns:
            tuple[Tensor]: As :meth:`InternImage.forward`.
        """
        return self.forward_branches(x)[1]

    def forward_branches(
        self, x: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Compute the maps of both branches.

        Args:
            x (Tensor): (B, 3, H, W).

        Returns:
            tuple: The assistant's maps and the lead's, of ``out_indices``.
        """
        stem = self.assistant.patch_embed(x)
        assistant = _forward_stages(self.assistant.levels, stem)
        fused = [
            fusion(assistant[index:])
            for index, fusion in enumerate(self.fusions)
        ]
        lead = _forward_stages(self.lead.levels, stem, fused)
        return (
            tuple(assistant[index] for index in self.out_indices),
            tuple(lead[index] for index in self.out_indices),
        )

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning-rate decay.

        Both InternImages count alike; what joins them counts as last. (The
        official detectors do not decay the rates of a composite backbone at
        all, which a ``layer_decay_rate`` of 1 does here.)

        Args:
            param_name (str): Name of the parameter in the whole model.
            prefix (str): Prefix of this backbone, e.g. ``'backbone.'``.

        Returns:
            tuple[int, int]: The depth and the number of depths.
        """
        for name in ('assistant', 'lead'):
            if param_name.startswith(f'{prefix}{name}.'):
                part = getattr(self, name)
                return part.get_layer_depth(param_name, f'{prefix}{name}.')
        _, num_depths = self.lead.get_layer_depth('levels.3.norm')
        return num_depths - 1, num_depths
