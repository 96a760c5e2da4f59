"""Foundation models as targets: frozen, and not part of the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.registry import MODELS

from ..foundation.base import digest_of
from ..foundation.loading import PUBLISHED, load_foundation_model
from ..foundation.pixels import IMAGENET, Renormalize
from .tokens import ImageTokens

__all__ = ['Teacher', 'pixels_of']

PRECISIONS = {
    'float32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
_NAME_LENGTH = 128


@MODELS.register_module()
class Teacher(BaseModule):
    """A foundation model by name, as a target.

    It sees the very view of the student, in its own normalisation and, if
    wanted, at its own size. Dense targets are its patches after the final
    norm, global ones its embedding (CLIP's where the texts are). It is always
    in evaluation mode and never learns; a checkpoint holds its name and the
    hash of its weights, which a resumed run has to have again.

    Args:
        name (str): See :func:`.foundation.load_foundation_model`.
        weights (str, optional): Likewise. Defaults to ``'published'``.
        size (int, optional): Side in pixels to which views are resized.
            Defaults to that of the view.
        precision (str): ``'float32'``, ``'bfloat16'`` or ``'float16'``, in
            which it computes. Defaults to ``'float32'``.
        pixels (tuple): Mean and standard deviation, of 0 to 255, by which the
            views are normalised; ``M3I`` gives those of its preprocessor.

    Raises:
        FoundationModelError: If there is no such model.
        ValueError: If the precision is unknown.
    """

    identity: Tensor

    def __init__(
        self,
        name: str,
        weights: str | None = PUBLISHED,
        size: int | None = None,
        precision: str = 'float32',
        pixels: tuple[Sequence[float], Sequence[float]] = IMAGENET,
    ) -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(
                f'precision of a Teacher is one of {", ".join(PRECISIONS)}, '
                f'got {precision!r}'
            )
        self.name = name
        self.dtype = PRECISIONS[precision]
        with torch.device('cpu'):  # files are read, whatever the model is on
            model = load_foundation_model(name, weights, size)
            self.pixels = Renormalize(pixels, model.mean, model.std, size)
            identity = _identity(name, model.network)
        self.register_buffer('identity', identity)
        self.model = model.to(self.dtype).requires_grad_(False)
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_pre_hook(_stay)
        self.train()

    def train(self, mode: bool = True) -> Teacher:
        """Stay in evaluation mode."""
        return super().train(False)

    def init_weights(self) -> None:
        """Do nothing: the weights are loaded."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> ImageTokens:
        """Encode images ``(B, 3, H, W)`` as the student sees them."""
        with torch.autocast(images.device.type, enabled=False):
            pixels = self.pixels(images.float())
            seen = self.model(pixels.to(self.dtype))
        tokens = ImageTokens.from_map(seen.map.float())
        tokens.pooled = seen.pooled.float()
        return tokens

    def check_identity(self, saved: Tensor) -> None:
        """Check that a checkpoint was trained by this teacher.

        Args:
            saved (Tensor): Its entry ``identity``.

        Raises:
            CheckpointError: If it was another one.
        """
        if not torch.equal(saved.cpu(), self.identity.cpu()):
            raise CheckpointError(
                f'The run was taught by {_describe(saved)}, but the teacher '
                f'here is {_describe(self.identity)}: resume with the same '
                'model and weights, or start from the checkpoint by load_from'
            )


def pixels_of(preprocessor: dict[str, Any]) -> dict[str, Any]:
    """Tell a teacher how views are normalised.

    Args:
        preprocessor (dict): Config of the data preprocessor.

    Returns:
        dict: The argument ``pixels`` of :class:`Teacher`.
    """
    mean, std = preprocessor.get('mean', [0.0]), preprocessor.get('std', [1.0])
    return dict(pixels=tuple(list(v) * (3 // len(v)) for v in (mean, std)))


def _identity(name: str, network: torch.nn.Module) -> Tensor:
    """Write name and hash of a model into bytes that a checkpoint keeps."""
    label = name.encode()[-_NAME_LENGTH:].ljust(_NAME_LENGTH, b' ')
    digest = digest_of(network.state_dict().items())
    return torch.frombuffer(bytearray(digest + label), dtype=torch.uint8)


def _describe(identity: Tensor) -> str:
    content = bytes(identity.tolist())
    name = content[32:].decode(errors='replace').strip()
    return f'{name} (weights {content[:8].hex()})'


def _leave_out(
    teacher: Teacher, state: dict[str, Any], prefix: str, *_: Any
) -> None:
    """Keep the weights of the teacher out of what is saved."""
    for name in [key for key in state if key.startswith(f'{prefix}model.')]:
        del state[name]


def _stay(
    teacher: Teacher, state: dict[str, Any], prefix: str, *_: Any
) -> None:
    """Let loading leave the teacher as it is."""
    for name, value in teacher.model.state_dict().items():
        state[f'{prefix}model.{name}'] = value
    state[f'{prefix}identity'] = teacher.identity
