"""Fine-tune detection and segmentation from two initialisations."""

from .report import draw_predictions, print_table
from .runs import INITIALIZATIONS, TASKS, Task, fine_tune, pretrained_backbone

__all__ = [
    'INITIALIZATIONS',
    'TASKS',
    'Task',
    'draw_predictions',
    'fine_tune',
    'pretrained_backbone',
    'print_table',
]
