"""What a run tells of itself for a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .run_folder import read_run

__all__ = ['card_facts']


def card_facts(folder: str | Path) -> dict[str, Any]:
    """Collect data, config, results and versions of a run.

    Args:
        folder (str | Path): Its work folder.

    Returns:
        dict: Arguments of ``M3IModel.generate_model_card``.

    Raises:
        RunFolderError: If the folder is missing or holds no log.
    """
    run = read_run(folder)
    sources = [
        value.strip('\'"')
        for name, value in run.options.items()
        if name.startswith('train_dataloader.dataset.')
        and name.rpartition('.')[2] in ('root', 'urls', 'path')
        and value != 'None'
    ]
    listed = ', '.join(f'`{source}`' for source in dict.fromkeys(sources))
    return dict(
        data=f'Read from {listed}.' if listed else '',
        results=run.results,
        versions=run.starts[-1]['versions'] if run.starts else {},
        config=run.settings,
    )
