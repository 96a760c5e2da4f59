"""Retrieval with frozen features: instances, and images and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from m3i_mm.registry import METRICS

from ..functional import (
    best_ranks,
    chance_recall,
    find_scaling,
    recall_at,
)
from ..tables import FeatureTable, common_labels
from .base import FeatureMetric, SetNames
from .text import require_embedding

__all__ = ['ImageTextRetrieval', 'InstanceRetrieval']


@METRICS.register_module()
class InstanceRetrieval(FeatureMetric):
    """Recall of the same instance in a gallery, by cosine similarity.

    A query is answered at k when one of the k most similar gallery images has
    its value of ``field``. Reported as ``instance/{field}_R@1`` and so on.

    Args:
        field (str): What makes two images the same, e.g. ``'concept'``.
        query (str | Sequence[str]): The set of queries.
        gallery (str | Sequence[str]): The set that is searched.
        scaling (str, optional): Scaling of both sets by the statistics of the
            gallery: ``'standardize'``, ``'center_and_normalize'`` or None.
        topk (Sequence[int]): Values of k.
        feature (str): The column of vectors.
        prefix (str, optional): See :class:`FeatureMetric`.
    """

    default_prefix = 'instance'

    def __init__(
        self,
        field: str,
        query: SetNames = 'query',
        gallery: SetNames = 'gallery',
        scaling: str | None = None,
        topk: Sequence[int] = (1, 5),
        feature: str = 'feature',
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        self.field = field
        self.query = query
        self.gallery = gallery
        self.scale = find_scaling(scaling)
        self.topk = tuple(topk)
        self.feature = feature

    @property
    def sets(self) -> tuple[SetNames, ...]:
        """The queries and the gallery."""
        return self.query, self.gallery

    def compute(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Compute the recalls; see :meth:`FeatureMetric.compute`."""
        query = self.join(tables, self.query)
        gallery = self.join(tables, self.gallery)
        (wanted, offered), _ = common_labels(
            query[self.field], gallery[self.field]
        )
        wanted, offered = wanted.to(self.device), offered.to(self.device)
        features, queries = self.scale(
            gallery.features(self.feature, self.device),
            query.features(self.feature, self.device),
        )
        ranks = best_ranks(
            queries,
            features,
            lambda rows: wanted[rows, None] == offered,
        )
        recalls = recall_at(ranks, self.topk)
        return {f'{self.field}_R@{k}': value for k, value in recalls.items()}

    def compute_chance(
        self, tables: Mapping[str, FeatureTable]
    ) -> dict[str, float]:
        """Rank the gallery at random."""
        (wanted, offered), count = common_labels(
            self.join(tables, self.query)[self.field],
            self.join(tables, self.gallery)[self.field],
        )
        positives = torch.bincount(offered, minlength=count)[wanted]
        return {
            f'{self.field}_R@{k}': chance_recall(positives, len(offered), k)
            for k in self.topk
        }


@METRICS.register_module()
class ImageTextRetrieval(FeatureMetric):
    """Recall of texts for images and of images for texts.

    Every row of the set pairs one image with one text. Rows with the same
    ``image_field`` are one image, rows with the same ``text_field`` are one
    text, so an image may have several texts and a text several images; each
    counts once as query and once in the gallery. Reported as
    ``caption/i2t_R@1``, ``caption/t2i_R@1`` and so on.

    Args:
        query (str | Sequence[str]): The set of pairs.
        image_field (str): What makes two rows show the same image.
        text_field (str): What makes two rows have the same text.
        topk (Sequence[int]): Values of k.
        prefix (str, optional): See :class:`FeatureMetric`.
    """

    default_prefix = 'caption'
    needs_text = True

    def __init__(
        self,
        query: SetNames = 'query',
        image_field: str = 'sample_key',
        text_field: str = 'sample_key',
        topk: Sequence[int] = (1, 5, 10),
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        self.query = query
        self.image_field = image_field
        self.text_field = text_field
        self.topk = tuple(topk)

    @property
    def sets(self) -> tuple[SetNames, ...]:
        """The set of pairs."""
        return (self.query,)

    def compute(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Compute both directions; see :meth:`FeatureMetric.compute`."""
        table = self.join(tables, self.query)
        for column in ('image_embedding', 'text_embedding'):
            require_embedding(table, column, model)
        pairs = self._pairs(table)
        images = table.features('image_embedding', self.device)
        texts = table.features('text_embedding', self.device)
        images = images[_first_rows(pairs[0]).to(self.device)]
        texts = texts[_first_rows(pairs[1]).to(self.device)]
        pairs = pairs.to(self.device)
        return {
            **self._recalls('i2t', images, texts, pairs),
            **self._recalls('t2i', texts, images, pairs.flip(0)),
        }

    def compute_chance(
        self, tables: Mapping[str, FeatureTable]
    ) -> dict[str, float]:
        """Rank the texts, and the images, at random."""
        images, texts = self._pairs(self.join(tables, self.query)).unique(
            dim=1
        )
        positives = {'i2t': images.bincount(), 't2i': texts.bincount()}
        sizes = {'i2t': len(positives['t2i']), 't2i': len(positives['i2t'])}
        return {
            f'{way}_R@{k}': chance_recall(positives[way], sizes[way], k)
            for way in positives
            for k in self.topk
        }

    def _pairs(self, table: FeatureTable) -> Tensor:
        """Numbers of the image and of the text of every row, (2, rows)."""
        (images,), _ = common_labels(table[self.image_field])
        (texts,), _ = common_labels(table[self.text_field])
        return torch.stack([images, texts])

    def _recalls(
        self, way: str, queries: Tensor, gallery: Tensor, pairs: Tensor
    ) -> dict[str, float]:
        ones = torch.ones(pairs.shape[1], device=pairs.device)
        links = torch.sparse_coo_tensor(
            pairs, ones, (len(queries), len(gallery))
        ).coalesce()

        def relevance(rows: slice) -> Tensor:
            picked = torch.arange(rows.start, rows.stop, device=pairs.device)
            return links.index_select(0, picked).to_dense() > 0

        recalls = recall_at(best_ranks(queries, gallery, relevance), self.topk)
        return {f'{way}_R@{k}': value for k, value in recalls.items()}


def _first_rows(numbers: Tensor) -> Tensor:
    """Row of the first occurrence of 0, 1, 2 ..., (distinct,)."""
    rows = torch.arange(len(numbers))
    first = torch.full((int(numbers.max()) + 1,), len(numbers))
    return first.scatter_reduce(0, numbers, rows, 'amin')
