"""Class embeddings from texts: the classifier of zero-shot evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['class_embeddings', 'fill_templates']

Template = str | Callable[[str], str]


def fill_templates(name: str, templates: Sequence[Template]) -> list[str]:
    """Write a class name into every prompt template.

    Args:
        name (str): Class name, e.g. ``'tabby cat'``.
        templates (Sequence): Strings with ``{}`` where the name goes, or
            functions of the name (the form of open_clip's templates).

    Returns:
        list[str]: One prompt for each template.

    Raises:
        ValueError: If a string has no ``{}``.
    """
    prompts = []
    for template in templates:
        if not isinstance(template, str):
            prompts.append(template(name))
        elif '{}' in template:
            prompts.append(template.format(name))
        else:
            raise ValueError(
                f"The template {template!r} has no '{{}}' for the class name."
            )
    return prompts


@torch.no_grad()
def class_embeddings(
    class_names: Sequence[str],
    templates: Sequence[Template],
    encode: Callable[[list[str]], Tensor],
) -> Tensor:
    """Average the embeddings of all prompts of each class (CLIP, 3.1.4).

    Args:
        class_names (Sequence[str]): K class names.
        templates (Sequence): Prompt templates, see :func:`fill_templates`.
        encode (Callable): Maps n texts to their embeddings (n, D).

    Returns:
        Tensor: Class embeddings of unit length, (K, D).

    Raises:
        ValueError: If there is no class or no template.
    """
    if not class_names or not templates:
        raise ValueError(
            'Zero-shot classification needs at least one class name and one '
            f'template, got {len(class_names)} and {len(templates)}.'
        )
    rows = []
    for name in class_names:
        texts = encode(fill_templates(name, templates))  # (n, D)
        rows.append(F.normalize(texts, dim=1).mean(0))
    return F.normalize(torch.stack(rows), dim=1)
