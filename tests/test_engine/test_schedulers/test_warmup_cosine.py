"""WarmupCosineLR against timm, step by step."""

import pytest
import torch
from timm.scheduler import CosineLRScheduler

from m3i_mm.engine.schedulers import WarmupCosineLR


def optimizer(*rates):
    groups = [
        dict(params=[torch.nn.Parameter(torch.ones(1))], lr=lr) for lr in rates
    ]
    return torch.optim.SGD(groups)


def rates_of(scheduler, steps):
    """The learning rates that the iterations see."""
    rates = []
    for _ in range(steps):
        rates.append([g['lr'] for g in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ('warmup', 'warmup_ratio', 'min_ratio'),
    [(20, 1e-3, 1e-2), (2, 0.0, 0.0), (0, 0.0, 0.1)],
)
def test_equals_timm(warmup, warmup_ratio, min_ratio):
    base, epoch_length, epochs = 4e-3, 3, 30
    scheduler = WarmupCosineLR.build_iter_from_epoch(
        optimizer(base),
        warmup=warmup,
        warmup_ratio=warmup_ratio,
        min_ratio=min_ratio,
        end=epochs,
        epoch_length=epoch_length,
    )
    steps = epochs * epoch_length
    reference = CosineLRScheduler(
        optimizer(base),
        t_initial=steps,
        lr_min=base * min_ratio,
        warmup_t=warmup * epoch_length,
        warmup_lr_init=base * warmup_ratio,
        t_in_epochs=False,
        warmup_prefix=False,
    )
    rates = rates_of(scheduler, steps)
    for step, (rate,) in enumerate(rates):
        (expected,) = reference._get_lr(step)
        assert rate == pytest.approx(expected, rel=1e-12), step


def test_groups_keep_their_ratio():
    scheduler = WarmupCosineLR(
        optimizer(1.0, 0.1), 2, 0.5, 0.1, end=10, by_epoch=False
    )
    for high, low in rates_of(scheduler, 10):
        assert low == pytest.approx(0.1 * high)


def test_continues_from_its_state():
    whole = WarmupCosineLR(optimizer(1.0), 3, end=12, by_epoch=False)
    expected = rates_of(whole, 12)
    first = WarmupCosineLR(optimizer(1.0), 3, end=12, by_epoch=False)
    rates_of(first, 5)
    second = WarmupCosineLR(optimizer(1.0), 3, end=12, by_epoch=False)
    second.load_state_dict(first.state_dict())
    state = first.optimizer.state_dict()
    second.optimizer.load_state_dict(state)
    assert rates_of(second, 7) == expected[5:]


@pytest.mark.parametrize(
    'arguments', [dict(), dict(end=5), dict(end=20, begin=12)]
)
def test_warmup_must_fit(arguments):
    with pytest.raises(ValueError, match='warmup=10'):
        WarmupCosineLR(optimizer(1.0), warmup=10, **arguments)
