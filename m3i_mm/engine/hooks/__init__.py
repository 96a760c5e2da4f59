"""Hooks that the runner calls during training."""

from .accumulated_gradients_hook import AccumulatedGradientsHook
from .annotation_hook import AnnotationHook
from .catch_up_validation_hook import CatchUpValidationHook
from .channels_last_hook import ChannelsLastHook
from .checkpoint_fit_hook import CheckpointFitHook
from .checkpoint_hook import CheckpointHook
from .class_count_hook import ClassCountHook
from .data_report_hook import DataReportHook
from .equal_buffers_hook import EqualBuffersHook
from .momentum_update_hook import MomentumUpdateHook
from .nonfinite_loss_hook import NonFiniteLossHook
from .optimizer_step_scheduler_hook import OptimizerStepSchedulerHook
from .progress_bar_hook import ProgressBarHook
from .resume_state_hook import ResumeStateHook
from .stop_hook import StopHook, StoppedError

__all__ = [
    'AccumulatedGradientsHook',
    'CatchUpValidationHook',
    'CheckpointHook',
    'EqualBuffersHook',
    'StopHook',
    'StoppedError',
    'AnnotationHook',
    'ChannelsLastHook',
    'CheckpointFitHook',
    'ClassCountHook',
    'DataReportHook',
    'MomentumUpdateHook',
    'NonFiniteLossHook',
    'OptimizerStepSchedulerHook',
    'ProgressBarHook',
    'ResumeStateHook',
]
