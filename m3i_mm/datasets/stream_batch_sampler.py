"""Batches of training, with a position that a checkpoint can hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from mmengine.dataset import DefaultSampler
from mmengine.logging import print_log
from torch.utils.data import Sampler

from m3i_mm.registry import DATA_SAMPLERS

from .epoch_plan import EpochPlan, Layout, allocate
from .order import Intervals, SampleOrder
from .randomness import generator
from .source_dataset import SampleIndex

__all__ = ['StreamBatchSampler']


@DATA_SAMPLERS.register_module()
class StreamBatchSampler(Sampler):
    """Deals the samples of a data set to ranks and workers, resumably.

    Every batch is a function of the seed, the epoch and its number. An epoch
    is ``dataset.epoch_size // (world_size * batch_size)`` batches; what this
    leaves over opens the next epoch, so over the run nothing is left out.

    The state of a run is the epoch and the number of batches the training has
    used, which the sampler cannot know (workers read ahead): it is passed to
    :meth:`state_dict` by :class:`~m3i_mm.engine.hooks.ResumeStateHook`. If a
    run continues in the middle of an epoch with another number of ranks or
    workers or another batch size, the unread rest of the epoch is dealt out
    anew.

    Args:
        sampler (DefaultSampler): Holds the data set, the seed, the rank, the
            epoch, and whether to shuffle.
        batch_size (int): The samples in a batch of one rank.
        num_streams (int, optional): The number of workers of the loader.
            Defaults to None: ``ResumeStateHook`` sets it; without the hook 1.
        drop_last (bool): Must be True; part of the interface.
    """

    def __init__(
        self,
        sampler: DefaultSampler,
        batch_size: int,
        num_streams: int | None = None,
        drop_last: bool = True,
    ) -> None:
        if not drop_last:
            raise ValueError('StreamBatchSampler has whole batches only')
        self.sampler = sampler
        self.dataset = sampler.dataset
        self.batch_size = batch_size
        self.num_streams = num_streams
        self.drop_last = drop_last
        self.seed: int = sampler.seed
        self._resumed: dict[str, Any] | None = None
        self._warned = False
        self._orders: dict[int, list[SampleOrder]] = {}
        if len(self) == 0:
            raise ValueError(
                f'An epoch of {self.dataset.epoch_size} samples is less than '
                f'a batch of {batch_size} on each of {sampler.world_size} '
                'ranks. Set a smaller batch_size.'
            )

    @property
    def layout(self) -> Layout:
        """The ranks and streams that share an epoch."""
        return Layout(
            self.sampler.world_size, self.num_streams or 1, self.batch_size
        )

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch on each rank."""
        per_step = self.sampler.world_size * self.batch_size
        return self.dataset.epoch_size // per_step

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        """Iterate over the (rest of the) epoch that the sampler is set to."""
        epoch = self.sampler.epoch
        state = self._epoch_state(epoch)
        plan = self._plan(state)
        self._warn_of_shared_chunks()
        orders = self._sample_orders()
        for number in range(state['batch'], len(plan)):
            pairs = plan.batch(self.sampler.rank, number)
            if len(orders) > 1:
                rng = generator(self.seed, epoch, number, self.sampler.rank)
                pairs = [pairs[i] for i in rng.permutation(len(pairs))]
            ahead = plan.chunks_ahead(self.sampler.rank, number, orders)
            yield [
                SampleIndex(
                    part,
                    *orders[part][position],
                    position,
                    self.seed,
                    ahead[part],
                )
                for part, position in pairs
            ]

    def state_dict(self, epoch: int, consumed: int) -> dict[str, Any]:
        """Return where a run stands.

        Args:
            epoch (int): The epoch the run is in.
            consumed (int): The batches of it that this run has used since it
                began or was resumed.

        Returns:
            dict: Plain numbers and lists, the same on every rank.
        """
        state = self._epoch_state(epoch)
        return dict(state, batch=state['batch'] + consumed)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where a run stands; see :meth:`state_dict`.

        Raises:
            ValueError: If the data set has another number of sources.
        """
        if len(state['ranges']) != len(self.dataset.parts):
            raise ValueError(
                f'The checkpoint has the positions of {len(state["ranges"])} '
                f'sources, the data set has {len(self.dataset.parts)}'
            )
        sizes = [len(part) for part in self.dataset.parts]
        if state['sizes'] != sizes:
            print_log(
                f'The sources had {state["sizes"]} samples when the run was '
                f'interrupted and now have {sizes}: the rest of the epoch '
                'may repeat or leave out samples',
                logger='current',
                level=logging.WARNING,
            )
        self.seed = state['seed']
        self._orders.clear()
        self._resumed = state
        if Layout(*state['layout']) != self.layout:
            self._resumed = self._deal_anew(state)

    @property
    def resumed_epoch(self) -> int:
        """The epoch that the run was resumed in, 0 for a new run."""
        return 0 if self._resumed is None else self._resumed['epoch']

    def _epoch_state(self, epoch: int) -> dict[str, Any]:
        """Return all there is to know about an epoch and its first batch."""
        resumed = self._resumed
        if resumed is not None and epoch == resumed['epoch']:
            return resumed
        lengths = self._epoch_lengths
        if resumed is None:
            starts = epoch * lengths
        elif epoch > resumed['epoch']:
            past = epoch - resumed['epoch'] - 1
            starts = np.array(resumed['next_starts']) + past * lengths
        else:
            raise ValueError(
                f'The run was resumed in epoch {resumed["epoch"]}, '
                f'epoch {epoch} is over'
            )
        ends = (starts + lengths).tolist()
        return dict(
            seed=self.seed,
            epoch=epoch,
            batch=0,
            num_batches=len(self),
            probabilities=self.dataset.probabilities.tolist(),
            ranges=[[r] for r in zip(starts.tolist(), ends, strict=True)],
            next_starts=ends,
            layout=tuple(self.layout),
            sizes=[len(part) for part in self.dataset.parts],
        )

    @cached_property
    def _epoch_lengths(self) -> np.ndarray:
        """The samples of each source in a whole epoch, (num_sources,)."""
        shares = allocate(
            self.dataset.probabilities,
            len(self),
            self.batch_size,
            self.dataset.mixing,
        )
        return shares.sum(0) * self.sampler.world_size

    def _plan(self, state: dict[str, Any]) -> EpochPlan:
        layout = Layout(*state['layout'])
        shares = allocate(
            np.array(state['probabilities']),
            state['num_batches'],
            layout.batch_size,
            self.dataset.mixing,
        )
        intervals = [Intervals(ranges) for ranges in state['ranges']]
        return EpochPlan(intervals, shares, layout)

    def _deal_anew(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state with its unread samples dealt to our layout."""
        ranges = self._plan(state).remaining(state['batch'])
        lengths = np.array([sum(e - b for b, e in part) for part in ranges])
        left = int(lengths.sum())
        per_step = self.sampler.world_size * self.batch_size
        state = dict(
            state,
            batch=0,
            num_batches=left // per_step,
            probabilities=(lengths / max(left, 1)).tolist(),
            ranges=ranges,
            layout=tuple(self.layout),
        )
        # rounding may ask a source of a mixture for more than it has left
        while (self._plan(state).used > lengths).any():
            state['num_batches'] -= 1
        print_log(
            'The ranks, workers or batch size changed: the '
            f'{left} unread samples of epoch {state["epoch"] + 1} are dealt '
            f'out anew; {left - state["num_batches"] * per_step} of them do '
            'not fill a batch on every rank and are left out',
            logger='current',
        )
        return state

    def _sample_orders(self) -> list[SampleOrder]:
        if self.seed not in self._orders:
            self._orders[self.seed] = [
                SampleOrder(
                    part.source.chunk_sizes,
                    (self.seed, number),
                    part.window,
                    self.sampler.shuffle,
                )
                for number, part in enumerate(self.dataset.parts)
            ]
        return self._orders[self.seed]

    def _warn_of_shared_chunks(self) -> None:
        readers = self.layout.world_size * self.layout.num_streams
        for part in self.dataset.parts:
            chunks = len(part.source.chunk_sizes)
            if part.source.random_access or readers <= chunks:
                continue
            if not self._warned:
                print_log(
                    f'{readers} workers on all ranks share the {chunks} '
                    f'shards of {part.source.name}: each sample is still '
                    'used once an epoch, but shards are read more than once',
                    logger='current',
                    level=logging.WARNING,
                )
                self._warned = True
