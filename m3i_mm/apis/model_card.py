"""The text that describes a model on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m3i_mm.version import __version__

__all__ = ['write_card']

_USE = """## Use

```python
from m3i_mm.apis import M3IModel

model = M3IModel.from_pretrained('{name}').model
```
"""


def write_card(
    settings: Mapping[str, Any],
    name: str = 'FOLDER or REPOSITORY',
    data: str = '',
    results: Mapping[str, Mapping[str, float]] | None = None,
    versions: Mapping[str, str] | None = None,
    config: str = '',
    notes: str = '',
) -> str:
    """Write the body of a model card, in Markdown.

    Args:
        settings (Mapping): Those of the model.
        name (str): How the model is called where it is published.
        data (str): What it was trained on.
        results (Mapping, optional): Percentages by model and metric.
        versions (Mapping, optional): Versions of the libraries by name.
        config (str): The config of the training.
        notes (str): Anything else, e.g. for what it must not be used.

    Returns:
        str: The text; what is not known is left out.
    """
    model = settings['model']
    objectives = {
        key: objective
        for key, objective in (model.get('objectives') or {}).items()
        if objective
    }
    parts = [
        '# ' + ('An image encoder trained by M3I' if objectives else name),
        f'Image encoder: `{_kind(model["backbone"])}`. Trained with '
        f'`m3i_mm` {__version__}.',
        _USE.format(name=name),
        _table(
            'Targets',
            ('objective', 'target', 'likelihood'),
            [
                (key, _kind(o['target']), _kind(o['likelihood']))
                for key, o in objectives.items()
            ],
        ),
        f'## Data\n\n{data}\n' if data else '',
        _table(
            'Results (%)',
            ('model', 'metric', 'value'),
            [
                (who, metric, f'{value:.2f}')
                for who, metrics in (results or {}).items()
                for metric, value in metrics.items()
            ],
        ),
        f'## Notes\n\n{notes}\n' if notes else '',
        _table(
            'Versions', ('library', 'version'), list((versions or {}).items())
        ),
        f'## Config\n\n```python\n{config.strip()}\n```\n' if config else '',
    ]
    return '\n\n'.join(part.strip() for part in parts if part) + '\n'


def _kind(cfg: Mapping[str, Any]) -> str:
    return str(cfg.get('type', '')).rpartition('.')[2]


def _table(
    title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]
) -> str:
    if not rows:
        return ''
    lines = [head, ('---',) * len(head), *rows]
    body = '\n'.join('| ' + ' | '.join(map(str, row)) + ' |' for row in lines)
    return f'## {title}\n\n{body}\n'
