"""t_y and f_phi: what is predicted, and how it is represented."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.datasets.fields import Annotations

from ..batch import Batch, MissingInputError
from ..inputs import Member
from ..places import Places
from ..tokens import ImageTokens

__all__ = ['BaseTarget', 'Choices', 'Features', 'Needs', 'join']


@dataclass
class Features:
    """Targets z_y to be near to.

    Attributes:
        values (Tensor): Dense ``(P, T, C)`` or global ``(P, C)``.
        valid (Tensor, optional): Boolean mask ``(P, )`` of the images that
            have this target; None if all do.
        places (Places, optional): Where dense targets lie.
        pooled (Tensor, optional): One feature per image, ``(P, C)``, which
            stands for a dense target among negatives; its mean if None.
        classes (Tensor, optional): What the images show, ``(P, )``; images
            of one class are near to each other, -1 is none.
    """

    values: Tensor
    valid: Tensor | None = None
    places: Places | None = None
    pooled: Tensor | None = None
    classes: Tensor | None = None


@dataclass
class Choices:
    """Targets z_y to be told apart from all others there are.

    Attributes:
        candidates (Tensor): The M representations, ``(M, C)``.
        index (Tensor): Which one is right, ``(P, )`` or ``(P, T)``.
        prior (Tensor, optional): Log-prior of the candidates, ``(M, )``.
        valid (Tensor, optional): Boolean mask ``(P, )`` of the images that
            have this target; None if all do.
        places (Places, optional): Where dense targets lie.
    """

    candidates: Tensor
    index: Tensor
    prior: Tensor | None = None
    valid: Tensor | None = None
    places: Places | None = None


T = TypeVar('T', Features, Choices)


def join(parts: Sequence[T]) -> T:
    """Put the targets of several members behind each other.

    Args:
        parts (Sequence[Features | Choices]): Of one kind.

    Returns:
        Features | Choices: The targets of all images, without places.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    # candidates and prior are the same for all
    images = ('values', 'index', 'valid', 'pooled', 'classes')
    joined = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in images
        if getattr(first, name, None) is not None
    }
    return replace(first, places=None, **joined)


@dataclass(frozen=True)
class Needs:
    """What a target takes from batch and model.

    Attributes:
        field (str, optional): Annotation of the samples; one that lacks it
            does not have the target.
        geometry (bool): Whether it asks where the views were cut.
        encoder (str, optional): Image encoder, ``'momentum'``, ``'frozen'``,
            ``'online'`` or the name of a teacher.
        learns (bool): Whether that encoder learns from being the target.
        padding (int, optional): Padding token of ``field``, if it is a text.
    """

    field: str | None = None
    geometry: bool = False
    encoder: str | None = None
    learns: bool = False
    padding: int | None = None


class BaseTarget(BaseModule, metaclass=ABCMeta):
    """A kind of target.

    Attributes:
        represents (type): What :meth:`forward` gives, :class:`Features` or
            :class:`Choices`.
        predicts (tuple[str]): What a prediction of this target, from whole
            images and without any sample, says: names of :meth:`outputs`.
    """

    represents: ClassVar[type] = Features
    predicts: ClassVar[tuple[str, ...]] = ()

    @property
    def needs(self) -> Needs:
        """What the target takes from batch and model."""
        return Needs()

    @abstractmethod
    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features | Choices:
        """Represent the targets of the images of a member.

        Args:
            batch (Batch): The batch.
            member (Member): Which images, and how the input shows them.
            tokens (ImageTokens): z_x of the inputs, ``(P, K, C)``.

        Returns:
            Features | Choices: The targets.
        """

    def check(self, annotations: Annotations) -> None:
        """Check on the host what this target needs of the samples.

        Args:
            annotations (Annotations): The batch's.

        Raises:
            AnnotationError: If a value cannot be used; names the sample.
            MissingInputError: If a sample lacks what all must have.
        """
        if self.needs.geometry:
            _require(annotations, 'view_geometry')

    def outputs(self, predictions: Tensor) -> dict[str, Tensor]:
        """Say at inference what predictions ``(B, C)`` mean.

        Returns:
            dict[str, Tensor]: ``(B, ...)`` by the names in ``predicts``.
        """
        return {}

    def add_outputs(self, samples: Sequence[Any]) -> None:
        """Add at inference what the target says of its own annotation.

        Args:
            samples (Sequence[DataSample]): The samples, changed in place.
        """


def _require(annotations: Annotations, name: str) -> None:
    """Raise if some samples have a field that others lack."""
    field = annotations.host.get(name)
    if field is None:
        return
    for row, valid in enumerate(field.valid.tolist()):
        if not valid:
            raise MissingInputError(
                f'Sample {annotations.key(row)} has no {name!r}, which a '
                'target of another view needs of every sample: let '
                'MultiViewWithGeometry write it and PackInputs list it in '
                "'algorithm_keys'"
            )
