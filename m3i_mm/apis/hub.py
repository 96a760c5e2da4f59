"""Models of M3I on the Hugging Face hub, and in folders of its form.

    >>> from m3i_mm.apis import M3IModel
    >>> hub = M3IModel.from_checkpoint('work_dirs/mine/epoch_10.pth')
    >>> hub.save_pretrained('folder')  # or push_to_hub('me/model')
    >>> model = M3IModel.from_pretrained('folder').model

A folder has ``config.json``, ``model.safetensors`` and ``README.md``, the
model card. What is read from it cannot run code: the config is plain data that
may name registered classes only, and safetensors hold nothing but weights.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from huggingface_hub import (
    ModelCard,
    ModelCardData,
    ModelHubMixin,
    hf_hub_download,
)
from mmengine.config import Config
from torch import Tensor, nn

from m3i_mm.checkpoints.fitting import weights_of
from m3i_mm.checkpoints.loading import load_weights
from m3i_mm.checkpoints.reading import read_checkpoint
from m3i_mm.checkpoints.recorded import recorded_config
from m3i_mm.runs.building import build_model

from .model_card import write_card

__all__ = ['HubError', 'M3IModel']

WEIGHTS = 'model.safetensors'
CONFIG = 'config.json'
KEPT = ('default_scope', 'data_preprocessor', 'model', 'test_pipeline')
_NAME = re.compile(
    r'(?:(?:m3i_mm|mmpretrain|mmdet|mmseg|mmcv|mmengine)\.)?[A-Z]\w*'
)


class HubError(ValueError):
    """A model on the hub, or in a folder, that cannot be loaded."""


class M3IModel(
    nn.Module,
    ModelHubMixin,
    library_name='m3i_mm',
    license='apache-2.0',
    pipeline_tag='image-feature-extraction',
    tags=['m3i', 'image-feature-extraction'],
):
    """A model in the form of the Hugging Face hub.

    Args:
        settings (dict): Plain data: ``model``, and the ``default_scope``,
            ``data_preprocessor`` and ``test_pipeline`` of its config.

    Attributes:
        model (M3I): The model.

    Raises:
        HubError: If the settings name something that no config of a model
            has to.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        _check_names(settings)
        self.settings = settings
        self.model = build_model(Config(copy.deepcopy(settings)))

    def forward(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the model; see :meth:`m3i_mm.models.M3I.forward`."""
        return self.model(inputs, *args, **kwargs)

    @classmethod
    def from_checkpoint(cls, checkpoint: str) -> M3IModel:
        """Take a model from a training checkpoint, with its config.

        Teachers, and the objectives that they taught, are left out.

        Args:
            checkpoint (str): The file.

        Returns:
            M3IModel: The model, in evaluation mode.

        Raises:
            CheckpointError: If it holds no config, or does not fit it.
        """
        config = recorded_config(read_checkpoint(checkpoint), checkpoint)
        settings = {key: config[key] for key in KEPT if key in config}
        settings['model'] = _without_teachers(settings['model'])
        hub = cls(settings=_plain(settings))
        load_weights(hub.model, checkpoint)
        hub.model.eval()
        return hub

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> M3IModel:
        """Load a model from a folder or a repository of the hub.

        Args:
            pretrained_model_name_or_path (str | Path): The folder, or the
                name of the repository.
            **kwargs (Any): ``revision``, ``token``, ``cache_dir`` and others
                of ``huggingface_hub``.

        Returns:
            M3IModel: The model, in evaluation mode.

        Raises:
            HubError: If there is no such folder or repository, it cannot be
                reached, or it holds no model of this kind.
            CheckpointError: If the weights do not fit.
        """
        name = str(pretrained_model_name_or_path)
        if Path(name).is_dir() and not (Path(name) / CONFIG).is_file():
            raise HubError(
                f'{name} has no {CONFIG}: give a folder that '
                'M3IModel.save_pretrained wrote'
            )
        return super().from_pretrained(name, **kwargs)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        settings: dict[str, Any] | None = None,
        **_: Any,
    ) -> M3IModel:
        if settings is None:
            raise HubError(
                f'{model_id} has no {CONFIG} of M3IModel, or cannot be '
                'reached: check the name, the network and the token'
            )
        if Path(model_id).is_dir():
            path = str(Path(model_id) / WEIGHTS)
        else:
            try:
                path = hf_hub_download(
                    model_id,
                    WEIGHTS,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            except Exception as error:  # whatever the network raises
                raise HubError(
                    f'{WEIGHTS} of {model_id} cannot be loaded: {error}'
                ) from error
        hub = cls(settings=settings)
        load_weights(hub.model, path)
        hub.model.eval()
        return hub

    def _save_pretrained(self, save_directory: Path) -> None:
        from safetensors.torch import save_file

        tensors = weights_of(self.model.state_dict())
        path = str(save_directory / WEIGHTS)
        save_file(_apart(tensors), path, {'format': 'pt'})

    def generate_model_card(self, **facts: Any) -> ModelCard:
        """Write the model card.

        Args:
            **facts (Any): Arguments of :func:`.model_card.write_card`, and
                ``license``; :func:`m3i_mm.reports.card_facts` has those of a
                run. ``save_pretrained(..., model_card_kwargs=facts)`` passes
                them on.

        Returns:
            ModelCard: The card.
        """
        data = ModelCardData(**self._hub_mixin_info.model_card_data.to_dict())
        data.license = facts.pop('license', data.license)
        for key in ('repo_url', 'docs_url', 'paper_url'):
            facts.pop(key, None)
        body = write_card(self.settings, **facts)
        return ModelCard(f'---\n{data.to_yaml()}\n---\n\n{body}')


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give each tensor a memory of its own, as the format asks for."""
    return {name: t.clone().contiguous() for name, t in tensors.items()}


def _without_teachers(model: dict[str, Any]) -> dict[str, Any]:
    """Leave out what serves the training alone, and downloads."""
    model = copy.deepcopy(model)
    teachers = model.pop('teachers', None) or {}
    model['objectives'] = {
        name: objective
        for name, objective in model.get('objectives', {}).items()
        if objective and objective['target'].get('encoder') not in teachers
    }
    backbone = model.get('backbone', {})
    if str(backbone.get('type')).endswith('FoundationBackbone'):
        backbone['weights'] = None
    return model


def _plain(value: Any) -> Any:
    """Make what JSON would make of it: tuples are lists."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _check_names(value: Any) -> None:
    """Refuse types that are no class of the OpenMMLab family.

    MMEngine imports and calls whatever object ``type`` is the path of.
    """
    if isinstance(value, dict):
        kind = value.get('type')
        if kind is not None and not (
            isinstance(kind, str) and _NAME.fullmatch(kind)
        ):
            raise HubError(
                f'The config names {kind!r}, which is no class of m3i_mm or '
                'OpenMMLab; it is not loaded'
            )
        for item in value.values():
            _check_names(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_names(item)
