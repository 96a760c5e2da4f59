"""Layer-wise learning-rate decay for any backbone and any library.

A parameter of depth d among D depths learns with ``rate ** (D - 1 - d)`` of
the learning rate. The backbone tells the depths, so one constructor serves
classifiers, detectors, segmentors and pre-training alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import Tensor, nn

from m3i_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

__all__ = ['LayerDecayOptimWrapperConstructor']

NO_DECAY = ('relative_position', 'norm', 'sampling_offsets')
KNOWN = {
    'custom_keys',
    'depth',
    'layer_decay_rate',
    'offset_lr_scale',
    'stem_keys',
}


# what the authors' constructor reads -> what says it here
FOREIGN = {
    'num_layers': 'the backbone counts its layers: leave it out',
    'depths': 'the backbone counts its layers: leave it out',
    'dino_head': 'custom_keys=dict(sampling_offsets=dict(lr_mult=0.1), '
    'reference_points=dict(lr_mult=0.1))',
    'backbone_small_lr': 'custom_keys=dict(backbone=dict(lr_mult=0.1))',
}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Build an optimiser whose learning rates decay towards the input.

    Every sub-module with a method ``get_layer_depth(name, prefix)`` counts as
    a backbone (InternImage, MMPretrain's ViT, ...; also the networks of a
    composite backbone). All other parameters learn at the full rate. Biases,
    norms and all one-dimensional parameters have no weight decay.

    ``paramwise_cfg`` may have

    - ``layer_decay_rate`` (float): The rate. Defaults to 1.
    - ``depth`` (str): ``'layer'`` counts the stem, every block and the head,
      as the official detectors and segmentors do; ``'block'`` asks the
      backbone for ``get_block_depth`` and counts blocks only, as the official
      classifiers do. Defaults to ``'layer'``.
    - ``offset_lr_scale`` (float): Further factor for the layers that predict
      DCNv3's offsets. Defaults to 1.
    - ``stem_keys`` (list[str]): Parameters outside the backbones whose names
      have such a part learn at the rate of the stem, e.g. the embeddings of
      feature levels.
    - ``custom_keys`` (dict): Further factors ``lr_mult`` and ``decay_mult``
      by a part of the parameter's name; of several matches the longest holds.

    Args:
        optim_wrapper_cfg (dict): Config of the optimiser wrapper.
        paramwise_cfg (dict, optional): See above.

    Raises:
        ValueError: If ``paramwise_cfg`` has an unknown key, or the optimiser
            no learning rate.
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None
    ) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        unknown = sorted(set(self.paramwise_cfg) - KNOWN)
        if unknown:
            instead = ''.join(
                f'. Instead of {key}: {FOREIGN[key]}'
                for key in unknown
                if key in FOREIGN
            )
            raise ValueError(
                f'paramwise_cfg has unknown keys {unknown}; '
                f'{type(self).__name__} knows {sorted(KNOWN)}{instead}'
            )
        if self.base_lr is None:
            raise ValueError('layer decay needs an optimizer with lr=...')
        self.rate = self.paramwise_cfg.get('layer_decay_rate', 1.0)
        self.depth = self.paramwise_cfg.get('depth', 'layer')
        self.offset_lr_scale = self.paramwise_cfg.get('offset_lr_scale', 1.0)
        self.stem_keys = tuple(self.paramwise_cfg.get('stem_keys', ()))
        keys = self.paramwise_cfg.get('custom_keys', {})
        self.custom_keys = sorted(keys.items(), key=lambda x: -len(x[0]))

    def add_params(
        self, params: list[dict], module: nn.Module, *_: Any, **__: Any
    ) -> None:
        """Sort the trainable parameters of a model into groups.

        Args:
            params (list[dict]): Receives one group for each pair of learning
                rate and weight decay.
            module (nn.Module): The whole model.

        Raises:
            TypeError: If rates decay and no part of the model tells layer
                depths.
            ValueError: If rates decay and the backbone does not know the
                depths of its size.
        """
        get_scale = self._layer_scale(module)
        groups: dict[tuple[float, float], list[Tensor]] = defaultdict(list)
        for name, param in module.named_parameters():
            if not param.requires_grad:
                continue
            custom = self._custom(name)
            scale = get_scale(name) * custom.get('lr_mult', 1.0)
            decay = float(param.ndim > 1 and not _without_decay(name))
            decay *= custom.get('decay_mult', 1.0)
            groups[scale, decay].append(param)
        for (scale, decay), members in groups.items():
            group = dict(params=members, lr=self.base_lr * scale)
            if self.base_wd is not None:
                group['weight_decay'] = self.base_wd * decay
            params.append(group)
        scales = [scale for scale, _ in groups]
        print_log(
            f'Layer decay {self.rate}: {len(groups)} parameter groups, '
            f'learning rate x {min(scales):.3g} ... {max(scales):.3g}',
            logger='current',
        )

    def _custom(self, name: str) -> dict[str, float]:
        return next((v for key, v in self.custom_keys if key in name), {})

    def _layer_scale(self, model: nn.Module) -> Callable[[str], float]:
        """The factor on the learning rate, as a function of the name."""
        if self.rate == 1:
            # nothing decays, so that no backbone is asked for its depths
            return self._offset_scale
        method = f'get_{self.depth}_depth'
        backbones = _find_backbones(model, method)
        # names outside a backbone have its last depth
        (_, most_depths), *_ = (
            _depth_of_head(backbone, method, prefix)
            for prefix, backbone in backbones.items()
        )

        def scale(name: str) -> float:
            owner = next((p for p in backbones if name.startswith(p)), None)
            if owner is None:
                stem = any(key in name for key in self.stem_keys)
                return self.rate ** (most_depths - 1) if stem else 1.0
            get_depth = getattr(backbones[owner], method)
            depth, num_depths = get_depth(name, owner)
            factor = self.rate ** (num_depths - 1 - depth)
            return factor * self._offset_scale(name)

        return scale

    def _offset_scale(self, name: str) -> float:
        return self.offset_lr_scale if '.dcn.offset.' in name else 1.0


def _depth_of_head(
    backbone: nn.Module, method: str, prefix: str
) -> tuple[int, int]:
    try:
        return getattr(backbone, method)('head', prefix)
    except NotImplementedError as error:
        # MMPretrain's ResNet counts some of its depths only, and says nothing
        raise ValueError(
            f'layer_decay_rate: {type(backbone).__name__}.{method} does not '
            'count the layers of this depth. Leave layer_decay_rate out, or '
            'take another backbone'
        ) from error


def _without_decay(name: str) -> bool:
    return name.endswith('.bias') or any(key in name for key in NO_DECAY)


def _find_backbones(model: nn.Module, method: str) -> dict[str, nn.Module]:
    """Prefixes and modules that tell depths, the innermost first."""
    owners = {
        f'{name}.' if name else '': module
        for name, module in model.named_modules()
        # A model with a backbone only passes the question on to it.
        if hasattr(module, method) and not hasattr(module, 'backbone')
    }
    if not owners:
        raise TypeError(
            f'layer decay needs a backbone with the method {method}, and '
            f'{type(model).__name__} has none'
        )
    innermost = sorted(owners, key=lambda prefix: -prefix.count('.'))
    return {prefix: owners[prefix] for prefix in innermost}
