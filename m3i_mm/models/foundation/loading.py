"""A foundation model by its name, by a folder, or with weights of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.checkpoints.loading import load_weights
from m3i_mm.utils.names import near_names

from .base import FoundationModel, FoundationModelError
from .hugging_face_source import load_hugging_face
from .open_clip_source import load_open_clip
from .timm_source import load_timm

__all__ = ['PUBLISHED', 'load_foundation_model']

PUBLISHED = 'published'
SOURCES: dict[str, Callable[[str, bool, int | None], FoundationModel]] = {
    'timm': load_timm,
    'open_clip': load_open_clip,
    'hf': load_hugging_face,
}


def load_foundation_model(
    name: str, weights: str | None = PUBLISHED, size: int | None = None
) -> FoundationModel:
    """Build a model of another library and load its weights.

    Args:
        name (str): ``'timm:NAME'``, ``'open_clip:NAME/TAG'``, ``'hf:NAME'``,
            or a folder that one of them wrote (safetensors first).
        weights (str, optional): ``'published'`` for those of the name, the
            path of a file, which has to fill the model, or None to leave them
            random. Defaults to ``'published'``.
        size (int, optional): Size of the images, if not the model's own.

    Returns:
        FoundationModel: The model in evaluation mode.

    Raises:
        FoundationModelError: If the name is unknown (near ones are proposed),
            or the model cannot be loaded or downloaded.
        CheckpointError: If the file of weights does not fit, or holds more
            than weights.
    """
    source, rest = _split(name)
    try:
        model = SOURCES[source](rest, weights == PUBLISHED, size)
    except (FoundationModelError, CheckpointError):
        raise
    except Exception as error:  # whatever the libraries and the network raise
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise FoundationModelError(
            f'{name} cannot be loaded: {first[:200]}. Without a network give '
            'a folder that was downloaded elsewhere, or weights=FILE'
        ) from error
    if weights not in (None, PUBLISHED):
        load_weights(
            model.network, weights, advice=f'Give the weights of {name}'
        )
    return model.eval()


def _split(name: str) -> tuple[str, str]:
    """Find the library of a name or folder."""
    source, colon, rest = name.partition(':')
    if colon and rest and source in SOURCES:
        folder = Path(rest).expanduser()
        if source in ('timm', 'open_clip') and folder.is_dir():
            return source, f'local-dir:{folder}'
        return source, rest
    path = Path(name).expanduser()
    if path.is_dir():
        return _library_of(path)
    if path.is_file():
        raise FoundationModelError(
            f'{name} does not say which network it belongs to: set name to '
            "'timm:NAME', for example, and weights to the file"
        )
    raise FoundationModelError(
        f'There is no model {name!r}.'
        + (near_names(source, SOURCES) if colon else '')
        + " Write 'timm:NAME', 'open_clip:NAME/TAG', 'hf:NAME' or a folder"
    )


def _library_of(folder: Path) -> tuple[str, str]:
    """Tell by its config which library wrote a folder."""
    if (folder / 'open_clip_config.json').is_file():
        return 'open_clip', f'local-dir:{folder}'
    path = folder / 'config.json'
    if not path.is_file():
        raise FoundationModelError(
            f'{folder} is no folder of a model: it has neither config.json '
            'nor open_clip_config.json'
        )
    config = json.loads(path.read_text(encoding='utf8'))
    if 'architecture' in config:
        return 'timm', f'local-dir:{folder}'
    if 'model_type' in config:
        return 'hf', str(folder)
    raise FoundationModelError(
        f'{path} is of no library known here: it has neither '
        "'architecture' (timm) nor 'model_type' (Transformers)"
    )
