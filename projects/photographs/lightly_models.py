"""SimCLR, BYOL and MoCo made of lightly's parts, for MMEngine's runner.

Encoder, data, optimiser and schedule are those of the other rows; heads,
losses, memory bank and momentum are lightly's (requirements/calibration.txt).
"""

from __future__ import annotations

import copy
from typing import Any

from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules.heads import ProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from torch import Tensor, nn

from m3i_mm.registry import MODELS

__all__ = ['LightlyBYOL', 'LightlyMoCo', 'LightlySimCLR']


def head(widths: tuple[int, int, int]) -> ProjectionHead:
    """Build the projector of the rows here: two layers, both normalised."""
    width, hidden, embed_dims = widths
    return ProjectionHead(
        [
            (width, hidden, nn.BatchNorm1d(hidden), nn.ReLU()),
            (hidden, embed_dims, nn.BatchNorm1d(embed_dims), None),
        ]
    )


class LightlyModel(BaseModel):
    """An encoder and a projector that learn from two views.

    Args:
        backbone (dict): Config of the encoder, whose last map is averaged.
        widths (tuple[int]): Of the features, within the heads, and of the
            embeddings.
        data_preprocessor (dict, optional): Config of the preprocessor.
    """

    def __init__(
        self,
        backbone: dict,
        widths: tuple[int, int, int],
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.backbone = MODELS.build(backbone)
        self.projector = head(widths)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the encoder, which are evaluated."""
        return self.backbone(inputs)

    def project(self, view: Tensor) -> Tensor:
        """Embed a view, (B, 3, H, W) -> (B, D)."""
        return self.projector(self.backbone(view)[-1].mean((2, 3)))

    def forward(
        self, inputs: Any, data_samples: Any = None, mode: str = 'tensor'
    ) -> Any:
        """Return the loss of two views, or the maps of images."""
        if mode == 'loss':
            return dict(loss=self.compare(*inputs))
        return self.extract_feat(inputs)

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of two views."""
        raise NotImplementedError


@MODELS.register_module()
class LightlySimCLR(LightlyModel):
    """lightly's loss of SimCLR."""

    def __init__(self, temperature: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.criterion = NTXentLoss(temperature)

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Tell views of one image from those of others."""
        return self.criterion(self.project(first), self.project(second))


class LightlyMomentumModel(LightlyModel):
    """One with a momentum encoder, updated before each step.

    Args:
        momentum (float): At the start; it ends at one.
    """

    def __init__(self, momentum: float = 0.99, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.step = 0
        self.slow_backbone = copy.deepcopy(self.backbone)
        self.slow_projector = copy.deepcopy(self.projector)
        for part in (self.slow_backbone, self.slow_projector):
            deactivate_requires_grad(part)

    def init_weights(self) -> None:
        """Initialise, and copy the encoder afterwards."""
        super().init_weights()
        self._move(0.0)

    def follow(self) -> None:
        """Move the momentum encoder."""
        steps = MessageHub.get_current_instance().get_info('max_iters')
        self._move(cosine_schedule(self.step, steps, self.momentum, 1.0))
        self.step += 1

    def _move(self, momentum: float) -> None:
        update_momentum(self.backbone, self.slow_backbone, momentum)
        update_momentum(self.projector, self.slow_projector, momentum)

    def keys(self, view: Tensor) -> Tensor:
        """Embed a view by the momentum encoder, without gradient."""
        feature = self.slow_backbone(view)[-1].mean((2, 3))
        return self.slow_projector(feature).detach()


@MODELS.register_module()
class LightlyBYOL(LightlyMomentumModel):
    """lightly's loss of BYOL, with a predictor like the projector."""

    def __init__(self, widths: tuple[int, int, int], **kwargs: Any) -> None:
        super().__init__(widths=widths, **kwargs)
        _, hidden, embed_dims = widths
        self.predictor = head((embed_dims, hidden, embed_dims))
        self.criterion = NegativeCosineSimilarity()

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Predict the momentum encoder's embedding of the other view."""
        self.follow()
        losses = [
            self.criterion(self.predictor(self.project(a)), self.keys(b))
            for a, b in ((first, second), (second, first))
        ]
        # of two directions 2 - 2 cos each, as BYOL has it
        return 4 + 2 * sum(losses)


@MODELS.register_module()
class LightlyMoCo(LightlyMomentumModel):
    """lightly's loss of MoCo, with its memory bank.

    Args:
        length (int): Keys in the memory bank.
        temperature (float): Of the softmax.
    """

    def __init__(
        self,
        widths: tuple[int, int, int],
        length: int = 1024,
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(widths=widths, **kwargs)
        self.criterion = NTXentLoss(temperature, (length, widths[-1]))

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Tell the key of the other view from those of the bank."""
        self.follow()
        return self.criterion(self.project(first), self.keys(second))
