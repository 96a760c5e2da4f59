"""Which shipped configs go on from the backbone of a pre-training."""

from __future__ import annotations

import re

from .reading import shipped_configs

__all__ = ['downstream_configs']

# task -> pattern of the configs' names, for the name of a backbone
_TASKS = {
    'a classifier': r'(own_data|imagenet|internimage)/{}[_-]',
    'a detector': r'(own_data|coco)/[\w-]*rcnn_{}[_-]',
    'a segmentor': r'(own_data|ade20k)/upernet_{}[_-]',
}
# these evaluate frozen features
_FROZEN = ('knn', 'linear', '1percent')


def downstream_configs(model: str) -> dict[str, str]:
    """Find a config of each task on a backbone.

    Args:
        model (str): One of :func:`m3i_mm.runs.recipe.model_names`.

    Returns:
        dict[str, str]: Name of a config by task; one made for small data, if
        there is one. Tasks without a config are left out.
    """
    backbone = re.escape(re.sub(r'(_emoji|-contrast)$', '', model))
    found = {}
    for task, pattern in _TASKS.items():
        names = [
            name
            for name in shipped_configs()
            if re.match(pattern.format(backbone), name)
            and not any(word in name for word in _FROZEN)
        ]
        if names:
            found[task] = min(
                names, key=lambda n: (not n.startswith('own_data/'), len(n))
            )
    return found
