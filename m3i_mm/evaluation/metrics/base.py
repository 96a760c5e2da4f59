"""What every metric on frozen features has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from mmengine.device import get_device
from torch import nn

from ..tables import FeatureTable

__all__ = ['FeatureMetric', 'SetNames']

SetNames = str | Sequence[str]


def _listed(names: SetNames) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


class FeatureMetric(ABC):
    """Computes numbers from the feature tables of one or several sets.

    Wherever a metric takes the name of a set, a list of names means all their
    samples together. Results are named ``prefix/name``, so that
    ``save_best='knn/group_top1'`` finds them.

    Args:
        prefix (str, optional): Replaces :attr:`default_prefix`, for two
            metrics of one kind in one config.
    """

    default_prefix: str = ''
    #: whether the model needs a text encoder
    needs_text: bool = False

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = self.default_prefix if prefix is None else prefix

    @property
    @abstractmethod
    def sets(self) -> tuple[SetNames, ...]:
        """What the metric works on: one or several sets for each role."""

    @property
    def set_names(self) -> list[str]:
        """Names of all sets that the metric uses."""
        return [name for names in self.sets for name in _listed(names)]

    @abstractmethod
    def compute(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Compute the metric.

        Args:
            tables (Mapping[str, FeatureTable]): Tables by set name.
            model (nn.Module): The model, for what is not in the tables.

        Returns:
            dict[str, float]: Percentages by name, without the prefix.
        """

    @abstractmethod
    def compute_chance(
        self, tables: Mapping[str, FeatureTable]
    ) -> dict[str, float]:
        """Compute what a prediction that ignores the image reaches.

        Args:
            tables (Mapping[str, FeatureTable]): Tables by set name.

        Returns:
            dict[str, float]: Percentages by the names of :meth:`compute`.
        """

    def evaluate(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Compute the metric under its full names.

        Args:
            tables (Mapping[str, FeatureTable]): Tables by set name.
            model (nn.Module): The model.

        Returns:
            dict[str, float]: Percentages by ``prefix/name``.
        """
        return self._named(self.compute(tables, model))

    def chance(self, tables: Mapping[str, FeatureTable]) -> dict[str, float]:
        """Compute chance level under the full names.

        Args:
            tables (Mapping[str, FeatureTable]): Tables by set name.

        Returns:
            dict[str, float]: Percentages by ``prefix/name``.
        """
        return self._named(self.compute_chance(tables))

    @staticmethod
    def join(
        tables: Mapping[str, FeatureTable], names: SetNames
    ) -> FeatureTable:
        """Return the table of one set, or of several one after the other.

        Args:
            tables (Mapping[str, FeatureTable]): Tables by set name.
            names (str | Sequence[str]): The set or sets.

        Returns:
            FeatureTable: All their rows.
        """
        if isinstance(names, str):
            return tables[names]
        parts = [tables[name] for name in names]
        return FeatureTable.concat(parts, ' + '.join(names))

    @property
    def device(self) -> torch.device:
        """The device to compute on: the accelerator where there is one."""
        return torch.device(get_device())

    def _named(self, values: dict[str, float]) -> dict[str, float]:
        return {f'{self.prefix}/{key}': value for key, value in values.items()}
