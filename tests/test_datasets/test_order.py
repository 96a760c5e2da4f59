"""Orders, ranges and plans against their definitions."""

import numpy as np
import pytest

from m3i_mm.datasets import order as order_module
from m3i_mm.datasets.epoch_plan import EpochPlan, Layout, allocate
from m3i_mm.datasets.order import Intervals, SampleOrder
from m3i_mm.datasets.permutation import MIX, Permutation

pytestmark = pytest.mark.openmmlab
SIZES = np.array([5, 3, 0, 7, 4])


def samples(order, passes=(0,)):
    length = int(SIZES.sum())
    return [
        order[p] for n in passes for p in range(n * length, (n + 1) * length)
    ]


@pytest.mark.parametrize('window', [1, 2, 5, 9])
def test_each_pass_is_a_permutation(window):
    order = SampleOrder(SIZES, (3,), window)
    everything = {(c, o) for c, size in enumerate(SIZES) for o in range(size)}
    first, second = samples(order), samples(order, [1])
    assert set(first) == set(second) == everything
    assert len(first) == len(everything)
    assert first != second
    assert first != sorted(first)
    assert samples(SampleOrder(SIZES, (3,), window)) == first
    assert samples(SampleOrder(SIZES, (4,), window)) != first


@pytest.mark.parametrize('window', [1, 2, 9])
def test_windows_too_large_for_a_list(window, monkeypatch):
    monkeypatch.setattr(order_module, 'MAX_LISTED', 3)
    monkeypatch.setattr(order_module, 'PART', 4)
    test_each_pass_is_a_permutation(window)
    test_a_window_is_read_before_the_next_begins()
    order = SampleOrder(SIZES, (3,), window)
    one_by_one = [order[p] for p in range(40)]
    rng = np.random.default_rng(0)
    for position in rng.permutation(40):
        fresh = SampleOrder(SIZES, (3,), window)
        assert fresh[int(position)] == one_by_one[position]


def slow_permutation(place, length, bases, keys):
    """The definition in integers of Python, for one place."""
    while True:
        a, b = bases
        left, right = place % a, place // a
        for key in keys:
            value = right ^ int(key)
            for shift, factor in ((30, MIX[0][1]), (27, MIX[1][1])):
                value = (value ^ value >> shift) * factor % 2**64
            value ^= value >> 31
            left, right, a, b = right, (left + value % a) % a, b, a
        place = left + right * a
        if place < length:
            return place


class TestPermutation:
    @pytest.mark.parametrize('length', [1, 2, 3, 10, 17, 256, 257, 1000])
    def test_every_place_once(self, length):
        permutation = Permutation(length, (1, 2))
        found = permutation(np.arange(length))
        assert sorted(found.tolist()) == list(range(length))
        assert found.tolist() == [
            slow_permutation(p, length, permutation.bases, permutation.keys)
            for p in range(length)
        ]

    def test_large_ranges(self):
        length = 10**8 + 7
        permutation = Permutation(length, (5,))
        found = permutation(np.arange(200000))
        assert len(np.unique(found)) == 200000
        assert found.min() >= 0
        assert found.max() < length
        a, b = permutation.bases
        assert length <= a * b < length * 1.001

    def test_it_is_as_random_as_a_shuffled_list(self):
        length = 10000
        counts = np.zeros((10, 10))
        fixed, neighbours = 0, 0
        for seed in range(40):
            found = Permutation(length, (seed,))(np.arange(length))
            np.add.at(counts, (np.arange(length) // 1000, found // 1000), 1)
            fixed += (found == np.arange(length)).sum()
            neighbours += (np.abs(np.diff(found)) == 1).sum()
        # chi squared of 81 degrees of freedom, and two Poisson counts
        expected = 40 * length / 100
        assert ((counts - expected) ** 2 / expected).sum() < 130
        assert 40 / 3 < fixed < 80
        assert 80 / 2 < neighbours < 80 * 2


def test_a_window_is_read_before_the_next_begins():
    window = 2
    chunks = [chunk for chunk, _ in samples(SampleOrder(SIZES, (0,), window))]
    changes = [
        len(set(chunks[start:])) for start in range(len(chunks))
    ]  # chunks still needed
    assert changes[0] == 4
    for start in range(1, len(chunks)):
        seen = set(chunks[:start]) & set(chunks[start:])
        assert len(seen) <= window


def test_order_without_shuffling_is_the_stored_one():
    order = SampleOrder(SIZES, (0,), 2, shuffle=False)
    assert samples(order) == sorted(samples(order))


def test_intervals_against_a_list():
    ranges = [(4, 9), (20, 20), (1, 3), (7, 8)]
    places = [p for begin, end in ranges for p in range(begin, end)]
    intervals = Intervals(ranges)
    assert [intervals[i] for i in range(len(intervals))] == places
    for begin in range(len(places) + 1):
        for end in range(begin, len(places) + 1):
            cut = [
                p for b, e in intervals.cut(begin, end) for p in range(b, e)
            ]
            assert cut == places[begin:end]
    with pytest.raises(IndexError):
        intervals[len(places)]


@pytest.mark.parametrize('mixing', ['batch', 'step'])
def test_shares_stay_within_one_unit(mixing):
    probabilities = np.array([0.62, 0.3, 0.08])
    shares = allocate(probabilities, 50, 8, mixing)
    assert (shares.sum(1) == 8).all()
    assert (shares >= 0).all()
    unit = 1 if mixing == 'batch' else 8
    wanted = np.arange(1, 51)[:, None] * probabilities * 8
    assert np.abs(shares.cumsum(0) - wanted).max() <= unit + 1e-9
    if mixing == 'step':
        assert ((shares > 0).sum(1) == 1).all()


@pytest.mark.parametrize(
    'layout', [Layout(1, 1, 8), Layout(2, 3, 4), Layout(3, 2, 5)]
)
def test_ranks_and_streams_share_without_overlap(layout):
    probabilities = np.array([0.7, 0.3])
    shares = allocate(probabilities, 7, layout.batch_size, 'batch')
    used = shares.sum(0) * layout.world_size
    intervals = [Intervals([(100, 100 + n + 2)]) for n in used]
    plan = EpochPlan(intervals, shares, layout)
    assert len(plan) == 7
    assert (plan.used == used).all()
    read = [
        pair
        for rank in range(layout.world_size)
        for number in range(7)
        for pair in plan.batch(rank, number)
    ]
    assert len(read) == len(set(read)) == used.sum()
    # what a stream reads of a source is contiguous
    for stream in range(layout.num_streams):
        own = [
            position
            for number in range(stream, 7, layout.num_streams)
            for source, position in plan.batch(0, number)
            if source == 0
        ]
        assert own == list(range(own[0], own[0] + len(own)))
    # what remains is everything that was not read
    for consumed in range(8):
        before = {
            pair
            for rank in range(layout.world_size)
            for number in range(consumed)
            for pair in plan.batch(rank, number)
        }
        after = [
            (source, position)
            for source, ranges in enumerate(plan.remaining(consumed))
            for begin, end in ranges
            for position in range(begin, end)
        ]
        assert len(after) == len(set(after)) == used.sum() + 4 - len(before)
        assert before.isdisjoint(after)


def test_windows_are_what_their_positions_need():
    sizes = np.array([3, 0, 5, 2, 4, 1, 6])
    order = SampleOrder(sizes, (7,), window=3)
    position = 0
    while position < 3 * order.length:
        chunks, end = order.window_at(position)
        needed = {order[p][0] for p in range(position, end)}
        assert set(chunks) == needed
        assert order.window_at(end - 1) == (chunks, end)
        position = end
