"""Mixed-precision training on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from ...registry import OPTIM_WRAPPERS

__all__ = ['MixedPrecisionOptimWrapper']

_DTYPES = {
    name: getattr(torch, name) for name in ('bfloat16', 'float16', 'float32')
}


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """An optimizer wrapper whose forward pass runs under autocast.

    MMEngine's ``AmpOptimWrapper`` refuses to run on a CPU and scales the loss
    of bfloat16 as well. Here the device is free, and the loss is scaled only
    for float16, whose gradients would underflow otherwise; bfloat16 has the
    exponent range of float32.

    Args:
        optimizer (Optimizer): The optimizer.
        dtype (str): ``'bfloat16'``, ``'float16'``, or ``'float32'``, which
            turns autocast off. Defaults to ``'bfloat16'``.
        loss_scale (str | float | dict): Of float16 only: ``'dynamic'``, an
            initial scale, or the arguments of ``torch.amp.GradScaler``.
            Defaults to ``'dynamic'``.
        **kwargs: Arguments of ``mmengine.optim.OptimWrapper``, as
            ``accumulative_counts`` and ``clip_grad``.

    Raises:
        ValueError: If ``dtype`` is none of these.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        dtype: str = 'bfloat16',
        loss_scale: str | float | dict[str, Any] = 'dynamic',
        **kwargs: Any,
    ) -> None:
        if dtype not in _DTYPES:
            raise ValueError(
                f'MixedPrecisionOptimWrapper: dtype must be one of '
                f'{sorted(_DTYPES)}, not {dtype!r}'
            )
        super().__init__(optimizer, **kwargs)
        self.dtype = _DTYPES[dtype]
        self.device_type = torch.device(get_device()).type
        if loss_scale == 'dynamic':
            scaler_args = {}
        elif isinstance(loss_scale, dict):
            scaler_args = loss_scale
        else:
            scaler_args = dict(init_scale=float(loss_scale))
        # A disabled scaler passes losses and steps through unchanged
        self.loss_scaler = torch.amp.GradScaler(
            self.device_type,
            enabled=self.dtype is torch.float16,
            **scaler_args,
        )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast the forward pass, and skip DDP's synchronisation if due.

        Args:
            model (nn.Module): The model, wrapped or not.
        """
        with (
            super().optim_context(model),
            torch.autocast(
                self.device_type,
                self.dtype,
                enabled=self.dtype is not torch.float32,
            ),
        ):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Back-propagate the scaled loss.

        Args:
            loss (Tensor): The loss of one iteration, a scalar.
            **kwargs: Arguments of ``torch.Tensor.backward``.
        """
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip the true gradients, then update the parameters.

        Args:
            **kwargs: Arguments of ``torch.optim.Optimizer.step``.
        """
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer and of the loss scale."""
        return dict(
            super().state_dict(), loss_scaler=self.loss_scaler.state_dict()
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of any optimizer wrapper, scaled or not.

        Args:
            state_dict (dict): What :meth:`state_dict` returned.
        """
        state_dict = dict(state_dict)
        scaler_state = state_dict.pop('loss_scaler', None)
        if scaler_state:
            self.loss_scaler.load_state_dict(scaler_state)
        super().load_state_dict(state_dict)
