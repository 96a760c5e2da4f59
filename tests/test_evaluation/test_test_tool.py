"""``tools/test.py`` and ``dist_test.sh`` run the loop of a config."""

import json

import pytest
import torch
from mmengine.config import Config
from toy import squares

pytestmark = pytest.mark.openmmlab


def test_two_processes_give_the_metrics_of_one(tmp_path, run_tool):
    config = tmp_path / 'squares.py'
    cfg = Config(
        squares.toy_config(
            tmp_path / 'work', custom_imports=dict(imports=['toy.squares'])
        )
    )
    # 13 queries: the second process has to repeat one
    cfg.test_evaluator.append(dict(type='m3i_mm.ImageTextRetrieval'))
    cfg.dump(str(config))
    weights = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=dict(scale=torch.tensor(2.0))), weights)
    one, two = tmp_path / 'one.json', tmp_path / 'two.json'
    run_tool('test.py', config, weights, '--out', one)
    run_tool('dist_test.sh', config, weights, 2, '--out', two)
    metrics = json.loads(one.read_text())
    assert metrics == json.loads(two.read_text())
    assert metrics['knn/color_top1'] == 100
    assert metrics['caption/i2t_R@10'] > 0
