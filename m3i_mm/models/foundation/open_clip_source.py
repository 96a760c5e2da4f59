"""Image towers of open_clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from m3i_mm.utils.names import near_names

from .base import FoundationModel, FoundationModelError, Seen

__all__ = ['OpenClipModel', 'load_open_clip']


class OpenClipModel(FoundationModel):
    """The image tower of an open_clip model, and its projection."""

    def see(self, images: Tensor) -> Seen:
        """See :meth:`FoundationModel.see`."""
        network: Any = self.network
        seen = network.forward_intermediates(
            images, indices=1, normalize_intermediates=True
        )
        return Seen(seen['image_intermediates'][-1], seen['image_features'])

    def group_matcher(self) -> Mapping[str, Any]:
        """See :meth:`FoundationModel.group_matcher`."""
        network: Any = self.network
        if hasattr(network, 'trunk'):  # a tower of timm
            return {
                part: _inside('trunk', spec)
                for part, spec in network.trunk.group_matcher().items()
            }
        return dict(
            stem=r'^(?:class_embedding|positional_embedding|conv1|ln_pre)',
            blocks=[
                (r'^transformer\.resblocks\.(\d+)', None),
                (r'^(?:ln_post|proj|attn_pool)', (99999,)),
            ],
        )


def _inside(name: str, spec: Any) -> Any:
    """Let patterns match names with a module in front."""
    if isinstance(spec, str):
        return rf'^{name}\.(?:{spec.removeprefix("^")})'
    return [(_inside(name, pattern), after) for pattern, after in spec]


def load_open_clip(
    name: str, pretrained: bool, size: int | None
) -> OpenClipModel:
    """Build the image tower of an open_clip model.

    Args:
        name (str): ``NAME/TAG``, ``NAME`` alone for random weights, or
            ``local-dir:FOLDER``.
        pretrained (bool): Whether to load its weights.
        size (int, optional): Size of the images, if its own is not wanted;
            the positions are resized.

    Returns:
        OpenClipModel: The tower.

    Raises:
        FoundationModelError: If open_clip has no such model or weights.
    """
    import open_clip

    tag: str | None = None
    if ':' not in name:
        name, _, tag = name.partition('/')
        _check_names(open_clip, name, tag, pretrained)
    model = open_clip.create_model(
        name,
        pretrained=tag if pretrained else None,
        load_weights=pretrained,
        force_image_size=size,
    )
    tower: Any = model.visual
    image_size = tower.image_size
    side = image_size if isinstance(image_size, int) else image_size[0]
    return OpenClipModel(
        tower, tower.image_mean, tower.image_std, None, int(side)
    )


def _check_names(
    open_clip: Any, name: str, tag: str | None, pretrained: bool
) -> None:
    models = open_clip.list_models()
    if name not in models:
        raise FoundationModelError(
            f'open_clip has no model {name!r}.{near_names(name, models)} '
            'open_clip.list_models() lists all names'
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained and tag not in tags:
        raise FoundationModelError(
            f'open_clip has no weights {tag!r} of {name}.'
            f'{near_names(tag or "", tags)} Write open_clip:{name}/TAG with '
            f'one of {", ".join(tags) or "none"}'
        )
