"""projects/emoji/target_noise.py: its two encoders and its table."""

import json
import sys
from pathlib import Path

import pytest
import torch

import m3i_mm.models  # noqa: F401
from m3i_mm.runs import building
from m3i_mm.runs.reading import read_config

sys.path.insert(0, str(Path(__file__).parents[2] / 'projects/emoji'))

import target_noise


@pytest.mark.parametrize('row', target_noise.ROWS)
def test_the_rows_differ_in_noise_alone(row):
    cfg = read_config(str(target_noise.CONFIG))
    cfg.model.momentum_encoder.type = target_noise.ROWS[row]
    model = building.build_model(cfg).train()
    encoder = model.momentum_encoder
    images = torch.randn(4, 3, 64, 64)
    same = torch.equal(encoder(images).values, encoder(images).values)
    assert same == (row == 'without')
    assert encoder.backbone.bn1.training
    model.eval()
    assert torch.equal(encoder(images).values, encoder(images).values)
    assert set(model.objectives) == {'intra', 'inter'}


def test_the_table_is_paired_by_seed(tmp_path):
    for row, values in (('without', (3.0, 5.0, 9.0)), ('with', (1.0, 5.0))):
        for seed, value in enumerate(values):
            path = tmp_path / row / f'seed-{seed}.json'
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(dict(seed=seed, metrics=dict(a=value))))
    table = target_noise.write_table(tmp_path)
    # the third seed has no counterpart
    assert '| a | 4.0 ± 1.0 | 3.0 ± 2.0 | +1.0 ± 1.0 |' in table
