"""A data set over one source: the map from an index to a packed sample."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from m3i_mm.registry import DATASETS

from .classes import match_classes
from .faults import DataError, SampleError
from .randomness import derive_seed, generator, seeded
from .sources.base import Chunk, Sample, Source
from .sources.subset import SubsetSource

__all__ = ['SampleIndex', 'SourceDataset']


class SampleIndex(NamedTuple):
    """Where a sample is, and where it stands in the run.

    Attributes:
        part (int): The source in a mixture.
        chunk (int): The chunk of the source.
        offset (int): The sample in the chunk.
        position (int): The position in the endless sequence of the source.
        seed (int): The seed of the run.
        ahead (tuple[int, ...]): The chunks that the same process needs now
            and next, in their order.
    """

    part: int
    chunk: int
    offset: int
    position: int
    seed: int
    ahead: tuple[int, ...] = ()


@DATASETS.register_module()
class SourceDataset(Dataset):
    """Samples of one source, put through a pipeline of transforms.

    With :class:`~m3i_mm.datasets.stream_batch_sampler.StreamBatchSampler` it
    is read in the order of training: a sample that cannot be read is replaced
    by another, and the fault travels with the replacement as its metainfo
    ``faults``, for the training process to count. With plain integers it is
    read in the stored order, for evaluation; there a fault is an error.

    Args:
        source (Source | dict): The source or its config.
        pipeline (Sequence[dict | Callable]): The transforms, the last of
            which packs ``inputs`` and ``data_samples``.
        where (Mapping, optional): Use only the samples whose fields have
            these values, or one of them where a value is a list. The source
            is read once for that and what matches is kept in memory.
        window (int): The number of chunks that are shuffled together and
            kept open by a worker. Defaults to 4.
        metainfo (Mapping, optional): Facts about the data for visualizers
            and checkpoints, e.g. ``classes``.

    Raises:
        DataError: If the source holds no sample, or fewer than none.
    """

    # A window of broken chunks is passed over in this many steps at most.
    MAX_ATTEMPTS = 100

    def __init__(
        self,
        source: Source | dict,
        pipeline: Sequence[Any],
        where: Mapping[str, Any] | None = None,
        window: int = 4,
        metainfo: Mapping[str, Any] | None = None,
    ) -> None:
        built: Source = (
            DATASETS.build(source) if isinstance(source, dict) else source
        )
        _check_sizes(built)
        self.source = built if where is None else SubsetSource(built, where)
        self.pipeline = Compose(pipeline)
        self.window = window
        self.metainfo = dict(metainfo or {})
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        self._broken: dict[int, SampleError] = {}
        # the number that a label stands for, where it is another
        self._numbers: np.ndarray | None = None
        self._pass = 0
        self._ahead: tuple[int, ...] = ()
        self._starts = np.concatenate([[0], self.source.chunk_sizes.cumsum()])

    # A data set is the mixture of itself alone.
    probabilities: np.ndarray = np.ones(1)
    mixing: str = 'batch'

    @property
    def parts(self) -> list[SourceDataset]:
        """The data sets of the mixture."""
        return [self]

    @property
    def epoch_size(self) -> int:
        """The number of samples in an epoch."""
        return len(self)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int | SampleIndex) -> Any:
        """Return the packed sample.

        Args:
            index (int | SampleIndex): A position in the stored order, or
                where the order of training puts the sample.

        Raises:
            SampleError: If ``index`` is an integer and the sample is broken.
            DataError: If no replacement for a broken sample was found.
        """
        if not isinstance(index, SampleIndex):
            return self._load(*self._locate(int(index)), seed=int(index))
        self._look_ahead(index)
        seed = derive_seed(index.seed, index.part, index.position)
        place = index.chunk, index.offset
        fault: SampleError | None = None
        for attempt in range(self.MAX_ATTEMPTS):
            try:
                packed = self._load(*place, seed=seed)
            except SampleError as error:
                fault = fault or error
                place = self._replacement(index, place, attempt)
            else:
                return packed if fault is None else self._mark(packed, fault)
        raise DataError(
            f'{self.source.name}: {self.MAX_ATTEMPTS} samples in a row cannot '
            f'be used; the first fault: {fault}'
        )

    @property
    def classes(self) -> Sequence[str]:
        """The names that labels number, where the source knows them."""
        return self.source.classes

    def match_classes(self, reference: Sequence[str]) -> None:
        """Number the labels by another list of the same names.

        Args:
            reference (Sequence[str]): The names by their numbers.

        Raises:
            DataError: If it lacks a class of this data set.
        """
        self._numbers = match_classes(
            self.classes, reference, self.source.name
        )

    def load_raw(self, index: int) -> Sample:
        """Return a sample as the source gives it, in the stored order."""
        return self.read(*self._locate(index))

    def read(self, chunk: int, offset: int) -> Sample:
        """Return a sample of a chunk, which stays in memory for the next.

        Raises:
            SampleError: If it cannot be read.
        """
        sample = self._read(chunk)[offset]
        if self._numbers is not None:
            fields = dict(sample['fields'])
            fields['label'] = int(self._numbers[fields['label']])
            sample = dict(sample, fields=fields)
        return sample

    def _load(self, chunk: int, offset: int, seed: int) -> Any:
        sample = dict(self.read(chunk, offset), source=self.source.name)
        with seeded(seed):
            return self.pipeline(sample)

    def _read(self, chunk: int) -> Chunk:
        if chunk in self._broken:
            raise SampleError(*self._broken[chunk].args)
        if chunk not in self._chunks:
            try:
                self._chunks[chunk] = self.source.read_chunk(chunk)
            except SampleError as fault:
                self._broken[chunk] = fault
                raise
            if len(self._chunks) > self.window:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(chunk)
        return self._chunks[chunk]

    def _look_ahead(self, index: SampleIndex) -> None:
        """Let what comes next be read in the background."""
        number = index.position // len(self)
        if number != self._pass:
            # a server may be back: what was broken is tried once a pass
            self._broken.clear()
            self._pass = number
        if index.ahead != self._ahead:
            self._ahead = index.ahead
            known = self._chunks.keys() | self._broken.keys()
            self.source.prefetch(c for c in index.ahead if c not in known)

    def __getstate__(self) -> dict[str, Any]:
        # open files stay in the process that opened them
        return {**vars(self), '_chunks': OrderedDict()}

    def _locate(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f'{index} is not in [0, {len(self)})')
        chunk = int(np.searchsorted(self._starts, index, side='right')) - 1
        return chunk, int(index - self._starts[chunk])

    def _replacement(
        self, index: SampleIndex, place: tuple[int, int], attempt: int
    ) -> tuple[int, int]:
        """Draw another sample: of the same chunk, if that can be read.

        All samples of a broken chunk go to one other chunk, so that not every
        replacement costs the reading of a chunk.
        """
        chunk, _ = place
        sizes = self.source.chunk_sizes
        if chunk in self._broken:
            rng = generator(index.seed, index.part, chunk, attempt)
            chunk = int(rng.choice(np.flatnonzero(sizes)))
        rng = generator(index.seed, index.part, index.position, attempt)
        return chunk, int(rng.integers(sizes[chunk]))

    @staticmethod
    def _mark(packed: Any, fault: SampleError) -> Any:
        record = dict(kind=fault.kind, key=fault.key, reason=fault.reason)
        packed['data_samples'].set_metainfo({'faults': [record]})
        return packed


def _check_sizes(source: Source) -> None:
    sizes = source.chunk_sizes
    if not sizes.any():
        raise DataError(f'{source.name} has no samples')
    negative = np.flatnonzero(sizes < 0)
    if len(negative):
        raise DataError(
            f'{source.name} has {sizes[negative[0]]} samples in its chunk '
            f'{negative[0]}: an index beside the data, or samples_per_shard, '
            'is wrong'
        )
