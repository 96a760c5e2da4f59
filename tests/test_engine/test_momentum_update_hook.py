import math
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from m3i_mm.engine import MomentumUpdateHook
from m3i_mm.engine.hooks.momentum_update_hook import cosine_momentum

pytestmark = pytest.mark.openmmlab


class Model:
    def __init__(self):
        self.momenta = []
        self.synced = 0

    def update_momentum_encoder(self, momentum):
        self.momenta.append(momentum)

    def sync_momentum_encoder(self):
        self.synced += 1


def run(iterations, accumulated, hook=None, start=0):
    model = Model()
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=SimpleNamespace(_accumulative_counts=accumulated),
        max_iters=iterations,
        iter=start,
        message_hub=MessageHub.get_instance('momentum'),
    )
    hook = hook or MomentumUpdateHook()
    hook.before_train(runner)
    for runner.iter in range(start, iterations):
        hook.after_train_iter(runner, runner.iter)
    return model


def test_schedule_is_a_half_cosine():
    assert cosine_momentum(0, 0.995) == pytest.approx(0.995)
    assert cosine_momentum(0.5, 0.995) == pytest.approx(0.9975)
    assert cosine_momentum(1, 0.995) == pytest.approx(1)
    assert cosine_momentum(0.25, 0.9, 0.98) == pytest.approx(
        0.9 + 0.08 * (1 - math.cos(math.pi / 4)) / 2
    )


def test_one_update_for_each_optimizer_step():
    every = run(8, 1)
    assert every.synced == 1
    assert every.momenta == [cosine_momentum(i / 8, 0.995) for i in range(8)]


@pytest.mark.parametrize('iterations', [24, 23])
def test_accumulation_gives_the_schedule_of_the_large_batch(iterations):
    # 23 iterations: the last step has two of three, as OptimWrapper does it
    assert run(iterations, 3).momenta == run(8, 1).momenta


def test_resumed_training_continues_the_schedule():
    assert run(8, 2, start=4).momenta == run(8, 2).momenta[2:]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r'start=0\.9, end=0\.5'):
        MomentumUpdateHook(start=0.9, end=0.5)
    runner = SimpleNamespace(model=object())
    with pytest.raises(TypeError, match='object keeps no momentum encoder'):
        MomentumUpdateHook().before_train(runner)
