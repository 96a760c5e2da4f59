"""Hooks that the runner calls during training."""

from .annotation_hook import AnnotationHook
from .channels_last_hook import ChannelsLastHook
from .checkpoint_fit_hook import CheckpointFitHook
from .class_count_hook import ClassCountHook
from .data_report_hook import DataReportHook
from .momentum_update_hook import MomentumUpdateHook
from .nonfinite_loss_hook import NonFiniteLossHook
from .optimizer_step_scheduler_hook import OptimizerStepSchedulerHook
from .progress_bar_hook import ProgressBarHook
from .resume_state_hook import ResumeStateHook

__all__ = [
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
