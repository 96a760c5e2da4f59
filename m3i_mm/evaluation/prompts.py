"""Class names and prompt templates of ImageNet zero-shot evaluation.

They are those that open_clip ships: CLIP's curated names and its 80 templates,
or the 7 templates that reach nearly the same accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from .functional.zero_shot import Template

__all__ = ['named_class_names', 'named_templates']

TEMPLATES = {
    'openai_imagenet': 'OPENAI_IMAGENET_TEMPLATES',
    'simple_imagenet': 'SIMPLE_IMAGENET_TEMPLATES',
}
CLASS_NAMES = {'imagenet': 'IMAGENET_CLASSNAMES'}


def named_class_names(class_names: str | Sequence[str]) -> list[str]:
    """Resolve class names given by the name of a data set.

    Args:
        class_names (str | Sequence[str]): ``'imagenet'`` or the names
            themselves, in the order of the labels.

    Returns:
        list[str]: The class names.

    Raises:
        ValueError: If the data set is unknown.
        ImportError: If open_clip is needed and not installed.
    """
    if isinstance(class_names, str):
        return list(_lookup(class_names, CLASS_NAMES, 'class names'))
    return list(class_names)


def named_templates(templates: str | Sequence[Template]) -> list[Template]:
    """Resolve prompt templates given by name.

    Args:
        templates (str | Sequence): ``'openai_imagenet'`` (80 templates),
            ``'simple_imagenet'`` (7), or the templates themselves.

    Returns:
        list: The templates.

    Raises:
        ValueError: If the name is unknown.
        ImportError: If open_clip is needed and not installed.
    """
    if isinstance(templates, str):
        return list(_lookup(templates, TEMPLATES, 'templates'))
    return list(templates)


def _lookup(name: str, names: dict[str, str], kind: str) -> Sequence:
    if name not in names:
        raise ValueError(
            f'There are no {kind} of the name {name!r}; choose from '
            f'{sorted(names)}, or give a list.'
        )
    return getattr(_open_clip(), names[name])


def _open_clip() -> ModuleType:
    try:
        import open_clip
    except ImportError as error:
        raise ImportError(
            "ImageNet's class names and templates come with open_clip. "
            "Install it with: pip install 'm3i_mm[text]'"
        ) from error
    return open_clip
