"""Pictures of inputs, training curves and retrieval results."""

from .browsing import browse_batch, draw_crop_boxes, draw_target_grid
from .curves import draw_curves, read_scalars
from .grid import Panel, draw_grid
from .images import bgr_to_picture, normalized_to_pictures
from .mixing import draw_mixed_inputs, draw_mixes
from .patch_features import (
    draw_patch_features,
    patch_similarity,
    principal_colors,
)
from .retrieval import (
    draw_caption_retrieval,
    draw_image_retrieval,
    spread_rows,
)

__all__ = [
    'Panel',
    'bgr_to_picture',
    'browse_batch',
    'draw_caption_retrieval',
    'draw_crop_boxes',
    'draw_curves',
    'draw_grid',
    'draw_image_retrieval',
    'draw_mixed_inputs',
    'draw_mixes',
    'draw_patch_features',
    'draw_target_grid',
    'normalized_to_pictures',
    'patch_similarity',
    'principal_colors',
    'read_scalars',
    'spread_rows',
]
