"""The table of a model beside its baselines."""

import json

import torch
from mmengine.config import Config
from toy import squares

from m3i_mm.evaluation import (
    evaluate_with_baselines,
    format_table,
    write_report,
)


def test_baselines_on_the_same_data(tmp_path):
    cfg = Config(squares.toy_config(tmp_path))
    weights = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict=dict(scale=torch.tensor(2.0))), weights)
    results, trained = evaluate_with_baselines(cfg, weights)
    assert list(results) == [
        'chance',
        'raw pixels',
        'random initialisation',
        'M3I',
    ]
    assert trained.model.scale == 2
    names = {tuple(row) for row in results.values()}
    assert len(names) == 1
    assert results['raw pixels']['knn/color_top1'] > 90


def test_the_table_is_markdown():
    results = {'chance': {'a/b': 12.34}, 'M3I': {'a/b': 99.96, 'c/d': 1.0}}
    lines = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in format_table(results).splitlines()
    ]
    assert lines[0] == ['metric (%)', 'chance', 'M3I']
    assert lines[2] == ['a/b', '12.3', '100.0']
    assert lines[3] == ['c/d', '-', '1.0']


def test_the_report_is_json(tmp_path):
    results = {'chance': {'a/b': 12.5}}
    path = write_report(results, tmp_path / 'new' / 'r.json', config='c.py')
    content = json.loads(path.read_text())
    assert content == dict(config='c.py', unit='percent', results=results)
