"""Pictures of inputs, training curves and retrieval results."""

from .curves import draw_curves, read_scalars
from .grid import Panel, draw_grid
from .images import bgr_to_picture, normalized_to_pictures
from .mixing import draw_mixed_inputs, draw_mixes
from .retrieval import draw_caption_retrieval, draw_image_retrieval

__all__ = [
    'Panel',
    'bgr_to_picture',
    'draw_caption_retrieval',
    'draw_curves',
    'draw_grid',
    'draw_image_retrieval',
    'draw_mixed_inputs',
    'draw_mixes',
    'normalized_to_pictures',
    'read_scalars',
]
