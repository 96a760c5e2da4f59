"""Models of timm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from m3i_mm.utils.names import near_names

from .base import FoundationModel, FoundationModelError, Seen

__all__ = ['TimmModel', 'load_timm']


class TimmModel(FoundationModel):
    """A model of timm: its last map, and what its head would classify."""

    def see(self, images: Tensor) -> Seen:
        """See :meth:`FoundationModel.see`."""
        network: Any = self.network
        last, (features,) = network.forward_intermediates(
            images, indices=1, norm=True, output_fmt='NCHW'
        )
        return Seen(features, network.forward_head(last, pre_logits=True))

    def group_matcher(self) -> Mapping[str, Any]:
        """See :meth:`FoundationModel.group_matcher`."""
        network: Any = self.network
        return network.group_matcher()


def load_timm(name: str, pretrained: bool, size: int | None) -> TimmModel:
    """Build a model of timm.

    Args:
        name (str): Name with or without the tag of its weights, or
            ``local-dir:FOLDER``.
        pretrained (bool): Whether to load its weights.
        size (int, optional): Size of the images, if its own is not wanted.

    Returns:
        TimmModel: The model, without its classifier.

    Raises:
        FoundationModelError: If timm has no such model, or it gives no maps.
    """
    import timm

    architecture = name.split('.')[0]
    if ':' not in name and not timm.is_model(architecture):
        raise FoundationModelError(
            f'timm {timm.__version__} has no model {name!r}.'
            f'{near_names(architecture, timm.list_models())}'
            ' timm.list_models() lists all names'
        )
    tags = timm.list_pretrained(f'{architecture}.*')
    if pretrained and '.' in name and ':' not in name and name not in tags:
        raise FoundationModelError(
            f'timm has no weights {name!r}.{near_names(name, tags)} There '
            f'are {", ".join(tags) or "none of this model"}'
        )
    settings = dict(pretrained=pretrained, num_classes=0)
    network = _create(name, settings, size)
    if not hasattr(network, 'forward_intermediates'):
        raise FoundationModelError(
            f'{name} of timm gives no feature maps (it has no '
            'forward_intermediates)'
        )
    cfg = timm.data.resolve_model_data_config(network)
    patches = getattr(network, 'patch_embed', None)
    flexible = getattr(network, 'dynamic_img_size', False)
    stride = fixed = None
    if patches is not None and hasattr(patches, 'patch_size'):
        stride = int(patches.patch_size[0])
        if not flexible and getattr(patches, 'img_size', None) is not None:
            fixed = int(patches.img_size[0])
    return TimmModel(network, cfg['mean'], cfg['std'], stride, fixed)


def _create(name: str, settings: dict[str, Any], size: int | None) -> Any:
    """Build with the freedom of sizes that a model has."""
    import timm

    for freedom in (
        {'dynamic_img_size': True},
        {} if size is None else {'img_size': size},
        {},
    ):
        try:
            return timm.create_model(name, **settings, **freedom)
        except TypeError as error:  # convolutional networks take any size
            if not any(key in str(error) for key in freedom):
                raise
    raise AssertionError('without freedom no keyword can be wrong')
