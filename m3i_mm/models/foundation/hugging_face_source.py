"""Vision models of Hugging Face Transformers."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from m3i_mm.checkpoints.reading import TRUST_VARIABLE

from .base import FoundationModel, FoundationModelError, Seen

# models whose embedding is more than the class token
POOLED = ('clip', 'siglip', 'siglip2')

__all__ = ['HuggingFaceModel', 'load_hugging_face']


class HuggingFaceModel(FoundationModel):
    """A Vision Transformer (DINOv2, DINOv3, ViT), or the tower of a CLIP.

    Args:
        network (nn.Module): Model of Transformers.
        mean (Sequence[float]): Mean of its pixels.
        std (Sequence[float]): Standard deviation of its pixels.
        stride (int): Side of a patch.
    """

    def see(self, images: Tensor) -> Seen:
        """See :meth:`FoundationModel.see`."""
        network: Any = self.network
        tower = getattr(network, 'vision_model', network)
        options = {}
        if _can_interpolate(tower):
            options['interpolate_pos_encoding'] = True
        outputs = tower(pixel_values=images, **options)
        tokens = outputs.last_hidden_state
        if network.config.model_type == 'clip':
            # CLIP normalises its class token alone
            tokens = tower.post_layernorm(tokens)
        assert self.stride is not None
        rows, columns = (side // self.stride for side in images.shape[-2:])
        patches = tokens[:, tokens.shape[1] - rows * columns :]
        features = patches.transpose(1, 2).unflatten(2, (rows, columns))
        pooled = outputs.pooler_output
        if network.config.model_type not in POOLED:
            # others pool by a layer that most files do not have
            pooled = tokens[:, 0]
        if hasattr(network, 'visual_projection'):
            pooled = network.visual_projection(pooled)
        return Seen(features, pooled)

    def group_matcher(self) -> Mapping[str, Any]:
        """See :meth:`FoundationModel.group_matcher`."""
        return dict(
            stem=r'^(?:.*\.)?(?:embeddings|pre_layrnorm|rope_embeddings)\.',
            blocks=[
                (r'^(?:.*\.)?layers?\.(\d+)\.', None),
                (r'^', (99999,)),
            ],
        )


def _can_interpolate(tower: Any) -> bool:
    """Tell whether positions of another size have to be asked for."""
    parameters = inspect.signature(tower.forward).parameters
    return 'interpolate_pos_encoding' in parameters


def load_hugging_face(
    name: str, pretrained: bool, size: int | None
) -> HuggingFaceModel:
    """Build a vision model of Transformers.

    Args:
        name (str): Name on the hub, or a folder.
        pretrained (bool): Whether to load its weights; else its config alone
            is read.
        size (int, optional): Has no effect, positions are resized as needed.

    Returns:
        HuggingFaceModel: The model.

    Raises:
        FoundationModelError: If it is no vision model, or does not say how
            its pixels are normalised.
    """
    try:
        import transformers
    except ImportError as error:
        raise FoundationModelError(
            f"hf:{name} needs Transformers: pip install 'm3i_mm[transformers]'"
        ) from error
    config = transformers.AutoConfig.from_pretrained(name)
    if pretrained:
        network = transformers.AutoModel.from_pretrained(
            name, use_safetensors=os.environ.get(TRUST_VARIABLE) != '1'
        )
    else:
        network = transformers.AutoModel.from_config(config)
    vision = getattr(config, 'vision_config', config)
    if not hasattr(vision, 'patch_size'):
        raise FoundationModelError(
            f'hf:{name} is a {config.model_type}, which has no patches of '
            'images: give a ViT, DINOv2, DINOv3, CLIP or SigLIP'
        )
    for part in ('text_model', 'text_projection', 'logit_scale', 'logit_bias'):
        if hasattr(network, part):
            delattr(network, part)
    mean, std = _pixels(name)
    return HuggingFaceModel(network, mean, std, vision.patch_size)


def _pixels(name: str) -> tuple[list[float], list[float]]:
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(name)
        return settings['image_mean'], settings['image_std']
    except (OSError, KeyError) as error:
        raise FoundationModelError(
            f'hf:{name} does not say how its pixels are normalised: put '
            'image_mean and image_std into its preprocessor_config.json'
        ) from error
