"""Batches of ranks, workers and epochs, and their continuation."""

import logging

import numpy as np
import pytest
from mmengine.dataset import DefaultSampler

from m3i_mm.datasets import StreamBatchSampler

pytestmark = pytest.mark.openmmlab


class Part:
    def __init__(self, sizes, window=2, random_access=True):
        self.source = self
        self.name = 'toy'
        self.chunk_sizes = np.array(sizes)
        self.random_access = random_access
        self.window = window

    def __len__(self):
        return int(self.chunk_sizes.sum())


class Data(Part):
    def __init__(self, *parts, probabilities=(1.0,), mixing='batch'):
        self.parts = list(parts)
        self.probabilities = np.array(probabilities)
        self.mixing = mixing
        self.epoch_size = len(self)

    def __len__(self):
        return sum(map(len, self.parts))


def make(data, rank=0, world=1, streams=1, batch_size=4, seed=5, epoch=0):
    sampler = DefaultSampler(data, shuffle=True, seed=seed)
    sampler.rank, sampler.world_size = rank, world
    sampler.set_epoch(epoch)
    return StreamBatchSampler(sampler, batch_size, streams)


def places(batches):
    return [(i.part, i.chunk, i.offset) for batch in batches for i in batch]


def epochs(batches, numbers):
    found = []
    for epoch in numbers:
        batches.sampler.set_epoch(epoch)
        found += list(batches)
    return found


DATA = Data(Part([5, 9, 4, 7, 6]))
MIXED = Data(
    Part([5, 9, 4]), Part([11]), Part([3, 3]), probabilities=(0.5, 0.2, 0.3)
)


def test_an_epoch_on_all_ranks_has_every_sample_once():
    batches = [make(DATA, rank, 3, streams=2) for rank in range(3)]
    assert {len(b) for b in batches} == {31 // 12}
    found = [place for b in batches for place in places(b)]
    assert len(found) == len(set(found)) == 24


def test_leftovers_open_the_next_epoch():
    batches = make(DATA, batch_size=4)
    positions = [i.position for b in epochs(batches, range(4)) for i in b]
    assert positions == list(range(4 * 28))
    first_pass = places(epochs(batches, range(2)))[:31]
    assert len(set(first_pass)) == 31


def test_same_seed_same_batches():
    assert list(make(DATA)) == list(make(DATA))
    assert places(make(DATA, seed=6)) != places(make(DATA))
    assert places(make(DATA, epoch=1)) != places(make(DATA))


@pytest.mark.parametrize('data', [DATA, MIXED])
@pytest.mark.parametrize(('epoch', 'batch'), [(0, 0), (1, 3), (1, 7), (2, 5)])
def test_continues_with_the_very_batches(data, epoch, batch):
    whole = epochs(make(data, streams=2), range(4))
    running = make(data, streams=2)
    per_epoch = len(running)
    batch = min(batch, per_epoch)
    state = running.state_dict(epoch, batch)
    resumed = make(data, streams=2, seed=77)  # the checkpoint has the seed
    resumed.load_state_dict(state)
    rest = epochs(resumed, range(epoch, 4))
    assert rest == whole[epoch * per_epoch + batch :]
    # and once more, in the continued epoch
    again = make(data, streams=2)
    again.load_state_dict(resumed.state_dict(epoch, min(1, per_epoch - batch)))
    assert epochs(again, range(epoch, 4)) == rest[min(1, per_epoch - batch) :]


@pytest.mark.parametrize('data', [DATA, MIXED])
@pytest.mark.parametrize('world', [1, 2, 3])
def test_other_ranks_read_the_rest_of_the_epoch(data, world, caplog):
    two = [make(data, rank, 2, streams=2, batch_size=2) for rank in range(2)]
    whole = [list(b) for b in two]
    consumed = 3
    state = two[0].state_dict(0, consumed)
    assert state == two[1].state_dict(0, consumed)
    seen = [
        (i.part, i.position)
        for batches in whole
        for batch in batches[:consumed]
        for i in batch
    ]
    unseen = {
        (i.part, i.position)
        for batches in whole
        for batch in batches[consumed:]
        for i in batch
    }
    rest = []
    for rank in range(world):
        batches = make(data, rank, world, streams=1, batch_size=3)
        batches.load_state_dict(state)
        rest += [(i.part, i.position) for batch in batches for i in batch]
        # later epochs go on where the interrupted one would have ended
        batches.sampler.set_epoch(1)
        first = min(
            i.position for batch in batches for i in batch if i.part == 0
        )
        if rank == 0:
            assert first == state['next_starts'][0]
    assert len(rest) == len(set(rest))
    assert set(rest) <= unseen
    assert set(rest).isdisjoint(seen)
    assert len(unseen) - len(rest) < 3 * world + 3


def test_says_what_a_change_of_ranks_leaves_out(monkeypatch):
    messages = []
    monkeypatch.setattr(
        'm3i_mm.datasets.stream_batch_sampler.print_log',
        lambda message, **kwargs: messages.append(message),
    )
    resumed = make(DATA, batch_size=5)
    resumed.load_state_dict(make(DATA, batch_size=4).state_dict(0, 2))
    assert len(list(resumed)) == 4
    (message,) = messages
    assert '20 unread samples of epoch 1' in message
    assert '0 of them' in message


@pytest.mark.parametrize('mixing', ['batch', 'step'])
def test_mixture_has_its_proportions(mixing):
    data = Data(
        Part([50, 50]),
        Part([20]),
        probabilities=(0.25, 0.75),
        mixing=mixing,
    )
    batches = list(make(data, batch_size=8, streams=2))
    counts = np.array([[i.part for i in batch].count(1) for batch in batches])
    if mixing == 'batch':
        assert (counts == 6).all()
    else:
        assert set(counts) == {0, 8}
        assert abs(counts.mean() - 6) < 1
    # the small source has come round several times
    assert max(i.position for b in batches for i in b if i.part == 1) > 60


def test_warns_once_when_shards_are_shared(monkeypatch):
    messages = []
    monkeypatch.setattr(
        'm3i_mm.datasets.stream_batch_sampler.print_log',
        lambda message, level, **kwargs: messages.append((message, level)),
    )
    data = Data(Part([9, 9], random_access=False))
    batches = [make(data, rank, 2, 3, batch_size=1) for rank in range(2)]
    found = [place for b in batches for place in places(b)]
    assert len(found) == len(set(found)) == 18
    list(batches[0])
    assert len(messages) == 2  # once on each rank
    assert messages[0][1] == logging.WARNING
    assert '6 workers on all ranks share the 2 shards' in messages[0][0]


def test_says_if_the_data_has_changed(monkeypatch):
    messages = []
    monkeypatch.setattr(
        'm3i_mm.datasets.stream_batch_sampler.print_log',
        lambda message, **kwargs: messages.append(message),
    )
    make(DATA).load_state_dict(make(DATA).state_dict(0, 2))
    assert not messages
    make(Data(Part([5, 9, 4, 20]))).load_state_dict(
        make(DATA).state_dict(0, 2)
    )
    assert 'had [31] samples' in messages[0]


def test_bad_settings():
    with pytest.raises(ValueError, match='31 samples is less than a batch of'):
        make(DATA, world=2, batch_size=16)
    with pytest.raises(ValueError, match='whole batches only'):
        StreamBatchSampler(DefaultSampler(DATA), 4, drop_last=False)
    batches = make(DATA)
    with pytest.raises(ValueError, match='positions of 3 sources'):
        batches.load_state_dict(make(MIXED).state_dict(0, 0))
    batches.load_state_dict(make(DATA).state_dict(2, 1))
    batches.sampler.set_epoch(1)
    with pytest.raises(ValueError, match='epoch 1 is over'):
        next(iter(batches))


@pytest.mark.parametrize('streams', [1, 2])
def test_each_stream_knows_its_chunks_ahead(streams):
    data = Data(Part([5, 9, 4, 7, 6, 8, 3, 5, 9, 4], random_access=False))
    for rank in range(2):
        batches = list(make(data, rank, 2, streams, batch_size=2))
        for stream in range(streams):
            own = [i for batch in batches[stream::streams] for i in batch]
            for now, index in enumerate(own):
                # a batch that crosses into the next window looks ahead later
                assert index.chunk in index.ahead
                assert len(index.ahead) <= 4
                coming = dict.fromkeys(i.chunk for i in own[now:])
                assert set(list(coming)[:2]) <= set(index.ahead)
            # and nothing of what other streams read is asked for
            assert len(own[-1].ahead) <= 2
