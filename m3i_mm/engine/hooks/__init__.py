"""Hooks that the runner calls during training."""

from .momentum_update_hook import MomentumUpdateHook
from .nonfinite_loss_hook import NonFiniteLossHook
from .progress_bar_hook import ProgressBarHook

__all__ = ['MomentumUpdateHook', 'NonFiniteLossHook', 'ProgressBarHook']
