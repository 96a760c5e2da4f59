"""Models of this repository by the names of their configs.

    >>> from m3i_mm.apis import get_model, list_models
    >>> list_models('*in1k')
    >>> name = 'internimage-t_32xb128-amp-coslr-300e_in1k'
    >>> model = get_model(name, pretrained=True)

The names are those of the metafiles below ``configs/``. They are put into
MMPretrain's model hub, so ``mmpretrain.get_model`` finds them afterwards too.
A file of InternImage's authors stands for its model::

    >>> get_model('mask_rcnn_internimage_t_fpn_1x_coco', pretrained=True)
"""

from __future__ import annotations

import copy
import os.path as osp
import runpy
import warnings
from collections.abc import Collection
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel

import m3i_mm
from m3i_mm.checkpoints.loading import load_weights
from m3i_mm.checkpoints.released import find_released, released_files
from m3i_mm.runs.building import build_model
from m3i_mm.runs.reading import read_config
from m3i_mm.utils.names import near_names

from .hub import M3IModel

__all__ = ['get_model', 'list_models']


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    """Put the metafiles into MMPretrain's hub, once; lower-case names."""
    from mmpretrain.apis import ModelHub
    from modelindex.load_model_index import load

    root = osp.join(osp.dirname(osp.abspath(m3i_mm.__file__)), '.mim')
    index = osp.join(root, 'model-index.yml')
    ModelHub.register_model_index(index, config_prefix=root)
    listed = load(index)
    listed.build_models_with_collections()
    return tuple(sorted(model.name.lower() for model in listed.models))


def list_models(pattern: str = '*') -> list[str]:
    """List the models of this repository.

    Args:
        pattern (str): Shell-style pattern of names, e.g. ``'m3i_vit*'``.

    Returns:
        list[str]: Sorted names.
    """
    return [name for name in _names() if fnmatch(name, pattern.lower())]


def _current_name(name: str) -> str:
    """Follow a config that was renamed; its old file says the new name."""
    configs = Path(m3i_mm.__file__).parent / '.mim' / 'configs'
    for path in configs.glob(f'*/{name}.py'):
        if '_deprecation_' in path.read_text():
            renamed = runpy.run_path(str(path))['_deprecation_']
            new = Path(renamed['expected']).stem
            warnings.warn(
                f'{name} is called {new} now; the old name ends with the '
                'next release',
                FutureWarning,
                stacklevel=4,
            )
            return new
    return name


def _find(model: str | Config) -> tuple[Config, Any]:
    """Read the config of a model; with its metafile entry if it has one."""
    if isinstance(model, Config):
        return copy.deepcopy(model), None
    if model.endswith('.py'):
        return read_config(model), None
    released = find_released(model)
    model = released.models[0] if released else _current_name(model)
    if model.lower() not in _names():
        known = {*_names(), *released_files()}
        raise ValueError(
            f'm3i_mm has no model {model!r}.{near_names(model, known)} '
            'list_models() lists all names; the path of a config file ends '
            'with .py.'
        )
    from mmpretrain.apis import ModelHub

    entry = ModelHub.get(model)
    entry.config.merge_from_dict(entry.data.get('Config Options', {}))
    return entry.config, entry


def _find_weights(pretrained: bool | str, entry: Any) -> str | None:
    if isinstance(pretrained, str):
        return pretrained
    if not pretrained:
        return None
    if entry is None or entry.weights is None:
        name = entry.name if entry is not None else 'a config'
        raise ValueError(
            f'There are no published weights for {name}: give the path of a '
            'checkpoint as `pretrained`.'
        )
    return entry.weights


def get_model(
    model: str | Config,
    pretrained: bool | str = False,
    device: str | None = None,
    parts: Collection[str] = (),
    new_weights: Collection[str] = (),
    **changes: Any,
) -> BaseModel:
    """Build a model, and load its weights if asked to.

    Args:
        model (str | Config): A name of :func:`list_models`, of a file of
            InternImage's authors, the path of a config, a config, or
            ``hf:`` and a folder or repository of :class:`.hub.M3IModel`,
            which comes with its weights.
        pretrained (bool | str): Path or address of a checkpoint; True for the
            published weights. Without it the weights are random.
        device (str, optional): Where to put the model. Defaults to the CPU.
        parts (Collection[str]): Modules that the checkpoint has to fill, e.g.
            ``('backbone',)``. Defaults to the whole model.
        new_weights (Collection[str]): Names, prefixes or shell patterns of
            weights that may stay random, e.g. ``('head',)``.
        **changes (Any): Entries of the model's config to replace, e.g.
            ``backbone=dict(drop_path_rate=0)``.

    Returns:
        BaseModel: The model in evaluation mode.

    Raises:
        ValueError: If the name is unknown, or ``pretrained=True`` and no
            weights are published.
        CheckpointError: If the checkpoint is of another model, or leaves
            weights random that it should fill.
        ConfigError: If there is no such config or it cannot be built.
    """
    if isinstance(model, str) and model.startswith('hf:'):
        return _from_hub(
            model.removeprefix('hf:'), pretrained, device, changes
        )
    config, entry = _find(model)
    weights = _find_weights(pretrained, entry)
    if changes:
        config.merge_from_dict(dict(model=changes))
    built: BaseModel = build_model(config)
    content = {}
    if weights:
        content = load_weights(
            built, weights, parts=parts, new_weights=new_weights
        )
    # what the inferencers of MMPretrain look for
    built._config = config
    built._metainfo = entry
    built._dataset_meta = content.get('meta', {}).get('dataset_meta', {})
    built.to(device or 'cpu').eval()
    return built


def _from_hub(
    name: str,
    pretrained: bool | str,
    device: str | None,
    changes: dict[str, Any],
) -> BaseModel:
    if changes or isinstance(pretrained, str):
        raise ValueError(
            f'hf:{name} comes with its config and weights: give neither '
            f'changes ({", ".join(changes) or "none"}) nor a checkpoint'
        )
    hub = M3IModel.from_pretrained(name)
    built: BaseModel = hub.model
    built._config = Config(hub.settings)
    built._metainfo = None
    built._dataset_meta = {}
    return built.to(device or 'cpu')
