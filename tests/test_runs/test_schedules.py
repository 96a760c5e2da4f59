"""Schedules of a long recipe in a short run."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from m3i_mm.runs.reading import read_config, shipped_configs
from m3i_mm.runs.schedules import (
    cut_warmups,
    fit_schedules,
    without_empty,
)

RECIPE = next(
    name
    for name in shipped_configs()
    if name.startswith('m3i/m3i_vit-base-p16') and '400e' in name
)


def test_a_recipe_as_it_is_stays():
    cfg = read_config(RECIPE)
    before = cfg.param_scheduler
    assert fit_schedules(cfg) == []
    assert cfg.param_scheduler == before


@pytest.mark.parametrize('epochs', [1, 10, 40])
def test_a_warmup_longer_than_the_run_is_cut_and_said(epochs):
    cfg = read_config(RECIPE, {'train_cfg.max_epochs': epochs})
    (said,) = fit_schedules(cfg)
    assert said == (
        f'LinearLR: warm-up cut from 40 to {epochs / 10:g} of {epochs} epochs'
    )
    warmup, decay = cfg.param_scheduler
    assert warmup.end == decay.begin == epochs / 10
    assert 'end' not in decay


def test_iterations_and_ends_after_the_end():
    cfg = Config(
        dict(
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=20),
            param_scheduler=[
                dict(type='LinearLR', by_epoch=False, begin=0, end=1500),
                dict(type='PolyLR', by_epoch=False, begin=1500, end=160000),
                # another unit: nothing is known of it
                dict(type='MultiStepLR', begin=30, end=40),
            ],
        )
    )
    assert fit_schedules(cfg) == [
        'LinearLR: warm-up cut from 1500 to 2 of 20 iterations',
        'PolyLR: end cut from 160000 to 20 iterations',
    ]
    linear, poly, steps = cfg.param_scheduler
    assert (linear.end, poly.begin, poly.end) == (2, 2, 20)
    assert (steps.begin, steps.end) == (30, 40)


def test_a_warmup_of_whole_epochs_can_vanish():
    cfg = Config(
        dict(
            train_cfg=dict(by_epoch=True, max_epochs=3),
            param_scheduler=[
                dict(type='LinearLR', end=5),
                dict(type='CosineAnnealingLR', begin=5),
            ],
        )
    )
    fit_schedules(cfg)
    (cosine,) = without_empty(cfg.param_scheduler, epoch_length=9)
    assert cosine.begin == 0


@pytest.mark.parametrize('epoch_length', [1, 2, 3, 4, 9])
def test_half_an_epoch_of_warmup_ends_at_the_full_rate(epoch_length):
    # also where that is no iteration, or one
    warmup = dict(
        type='LinearLR', start_factor=0.01, end=0.5, convert_to_iter_based=True
    )
    (parameter,) = parameters = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    rates = []
    schedulers = [
        PARAM_SCHEDULERS.build(
            dict(schedule, optimizer=optimizer, epoch_length=epoch_length)
        )
        for schedule in without_empty([warmup], epoch_length)
    ]
    for _ in range(2 * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        parameter.grad = torch.zeros(1)
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[epoch_length:] == [pytest.approx(1.0)] * epoch_length


def test_the_warmup_of_one_schedule():
    cfg = Config(
        dict(
            train_cfg=dict(by_epoch=True, max_epochs=10),
            param_scheduler=dict(
                type='m3i_mm.WarmupCosineLR',
                warmup=20,
                convert_to_iter_based=True,
            ),
        )
    )
    assert 'warm-up cut from 20 to 1 of 10' in fit_schedules(cfg)[0]
    assert cfg.param_scheduler.warmup == 1


def test_no_schedule():
    assert fit_schedules(Config(dict(param_scheduler=None))) == []


def test_a_warmup_beside_the_decay_is_cut_too():
    """As in the schedules of UPerNet, where both begin at once."""
    cfg = Config(
        dict(
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=30),
            param_scheduler=[
                dict(type='LinearLR', by_epoch=False, begin=0, end=1501),
                dict(type='PolyLR', by_epoch=False, begin=0, end=160001),
            ],
        )
    )
    assert fit_schedules(cfg) == [
        'LinearLR: warm-up cut from 1501 to 3 of 30 iterations',
        'PolyLR: end cut from 160001 to 30 iterations',
    ]


def test_a_warmup_of_iterations_in_a_training_of_epochs():
    """As in those of detectors; its length is known with the data."""
    schedules = [
        dict(type='LinearLR', by_epoch=False, begin=0, end=500),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=500),
        dict(type='MultiStepLR', milestones=[8], begin=0, end=500),
    ]
    assert cut_warmups(schedules, 501) == []
    assert cut_warmups(schedules, 40) == [
        'LinearLR: warm-up cut from 500 to 4 of 40 iterations'
    ]
    assert [s.get('end') for s in schedules] == [4, None, 500]
    assert schedules[1]['begin'] == 4
    assert cut_warmups(None, 3) == []
