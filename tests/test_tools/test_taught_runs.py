"""A run with a teacher, its checkpoint, and what resumes it."""

from __future__ import annotations

import uuid

import pytest
import torch
from toy.foundation import write_timm
from toy.recipes import ROOT
from toy.shards import write_shards

from m3i_mm.runs import cli

CONFIG = """
_base_ = {base!r}
model = dict(
    teachers=dict(
        dino=dict(type='m3i_mm.Teacher', name={teacher!r}, size=64)
    ),
    objectives=dict(
        dino=dict(
            target=dict(
                type='DenseFeatures',
                encoder='dino',
                layer_norm=False,
                standardize=dict(
                    type='m3i_mm.ChannelStatistics', embed_dims=64
                ),
            ),
            decoder=dict(
                type='TransformerDecoder',
                in_dims=16,
                out_dims=64,
                embed_dims=16,
                depth=1,
                num_heads=2,
            ),
            likelihood=dict(type='Gaussian'),
        )
    ),
)
"""


def command(folder, teacher, epochs, *options):
    config = folder / 'config.py'
    base = str(ROOT / 'tests/toy/m3i.py')
    config.write_text(CONFIG.format(base=base, teacher=str(teacher)))
    shards = write_shards(folder / 'shards')
    return [
        str(config),
        '--work-dir',
        str(folder / 'work'),
        *options,
        '--cfg-options',
        f'experiment_name={uuid.uuid4().hex}',
        f'train_dataloader.dataset.source.urls={shards}',
        f'train_cfg.max_epochs={epochs}',
        'default_hooks.checkpoint.interval=1',
    ]


def test_a_run_keeps_its_teacher(tmp_path, capsys):
    (tmp_path / 'shards').mkdir()
    first, other = tmp_path / 'first', tmp_path / 'other'
    write_timm(first)
    write_timm(other, seed=1)
    cli.main_train(command(tmp_path, first, 1))
    checkpoint = tmp_path / 'work' / 'epoch_1.pth'
    state = torch.load(checkpoint, weights_only=False)['state_dict']
    taught = [name for name in state if name.startswith('teachers.')]
    assert taught == ['teachers.dino.identity']
    assert state['objectives.dino.target.standardize.batches'] > 0
    cli.main_train(command(tmp_path, first, 2, '--resume'))
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main_train(command(tmp_path, other, 3, '--resume'))
    said = str(ended.value) + capsys.readouterr().err
    assert 'The run was taught by' in said
    assert 'but the teacher here is' in said
