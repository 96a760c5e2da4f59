"""The loop under MMEngine's runner: validation, testing, best checkpoint."""

import os

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from toy import squares

from m3i_mm.evaluation import (
    NamedDataLoaders,
    evaluate,
    extract_features,
    pool_features,
    raw_pixels,
)
from m3i_mm.evaluation.metrics import build_metrics, compute_metrics

pytestmark = pytest.mark.openmmlab


@pytest.fixture
def cfg(tmp_path):
    return Config(squares.toy_config(tmp_path))


def run(cfg):
    cfg.experiment_name = f'{cfg.work_dir}-{id(cfg)}'
    return Runner.from_cfg(cfg)


def test_training_keeps_the_best_checkpoint(cfg):
    runner = run(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert scalars['val/knn/color_top1'].current() == 100
    assert scalars['val/linear/name_top1'].current() == 100
    assert scalars['val/instance/color_R@5'].current() == 100
    names = os.listdir(cfg.work_dir)
    assert any(name.startswith('best_knn_color_top1') for name in names)


def test_the_test_loop_gives_what_evaluate_gives(cfg):
    tested = run(cfg).test()
    result = evaluate(cfg)
    assert result.metrics == pytest.approx(tested)
    assert result.chance.keys() == result.metrics.keys()
    assert result.tables['query']['sample_key'][12] == '1-12'
    assert result.chance['knn/color_top1'] == pytest.approx(100 * 5 / 13)


def test_hooks_see_the_mode_and_running_batch_numbers(cfg, monkeypatch):
    runner = run(cfg)
    calls = []
    monkeypatch.setattr(
        runner,
        'call_hook',
        lambda name, **kwargs: calls.append((name, kwargs.get('batch_idx'))),
    )
    runner.test()
    batches = [index for name, index in calls if name == 'after_test_iter']
    assert (
        batches == list(range(9)) == list(range(len(runner.test_dataloader)))
    )
    assert ('after_test_epoch', None) in calls
    assert not any('val' in name for name, _ in calls)


def test_raw_pixels_are_a_model_without_texts(cfg):
    cfg.test_evaluator.append(dict(type='m3i_mm.ImageTextRetrieval'))
    result = evaluate(cfg, model=raw_pixels(size=2))
    assert result.tables['bank']['feature'].shape == (30, 12)
    assert 'caption/i2t_R@1' not in result.metrics
    assert result.metrics['knn/color_top1'] == 100


def test_any_self_supervisor_of_mmpretrain_is_evaluated(cfg):
    model = dict(
        type='mmpretrain.SimSiam',
        backbone=dict(type='mmpretrain.ResNet', depth=18, norm_eval=True),
        neck=dict(
            type='mmpretrain.NonLinearNeck',
            in_channels=512,
            hid_channels=8,
            out_channels=8,
        ),
        head=dict(
            type='mmpretrain.LatentPredictHead',
            loss=dict(type='mmpretrain.CosineSimilarityLoss'),
            predictor=dict(
                type='mmpretrain.NonLinearNeck',
                in_channels=8,
                hid_channels=8,
                out_channels=8,
            ),
        ),
    )
    result = evaluate(cfg, model=model)
    assert result.tables['query']['feature'].shape == (13, 512)


def test_loading_a_checkpoint_changes_the_model(cfg, tmp_path):
    weights = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=dict(scale=torch.tensor(7.0))), weights)
    assert evaluate(cfg, str(weights)).model.scale == 7
    assert evaluate(cfg).model.scale == 1


def test_settings_beside_the_sets_hold_for_all(cfg):
    loaders = NamedDataLoaders(
        {
            **cfg.val_dataloader,
            'query': dict(
                batch_size=2, dataset=cfg.val_dataloader.query.dataset
            ),
        }
    )
    assert loaders['bank'].batch_size == 5
    assert loaders['query'].batch_size == 2
    assert len(loaders) == 6 + 7


@pytest.mark.parametrize(
    'change', [dict(dataset=dict(type='ToySquares')), dict()]
)
def test_a_dataloader_without_named_sets(change):
    with pytest.raises(ValueError, match=r'named sets.*got the keys'):
        NamedDataLoaders(dict(batch_size=5, **change))


def test_a_metric_of_an_unknown_set():
    config = dict(type='m3i_mm.InstanceRetrieval', field='color')
    with pytest.raises(ValueError, match=r"'gallery', but .*: bank, query"):
        build_metrics(config, ['bank', 'query'])


def test_a_metric_of_another_kind():
    with pytest.raises(TypeError, match='Accuracy is no metric on frozen'):
        build_metrics(dict(type='mmpretrain.Accuracy'), ['bank'])


def test_two_results_of_one_name(cfg):
    metrics = build_metrics(
        [dict(type='m3i_mm.KNNAccuracy', field='color', k=1)] * 2,
        ['bank', 'query'],
    )
    result = evaluate(cfg)
    with pytest.raises(ValueError, match=r"'knn/color_top1'.* another prefix"):
        compute_metrics(metrics, result.tables, result.model)


def test_an_empty_set(cfg):
    cfg.test_dataloader.query.dataset.size = 0
    with pytest.raises(ValueError, match="The set 'query' is empty"):
        evaluate(cfg)


def test_samples_without_the_field(cfg):
    cfg.test_dataloader.bank.dataset.fields = ('name',)
    with pytest.raises(LookupError, match="'bank' have no field 'color'"):
        evaluate(cfg)


def test_a_model_without_features(cfg):
    loader = NamedDataLoaders(cfg.test_dataloader)['query']
    with pytest.raises(TypeError, match='Linear has no extract_feat'):
        extract_features(torch.nn.Linear(1, 1), loader)


def test_pooling():
    maps = torch.randn(2, 3, 4, 5)
    tokens = maps.flatten(2).transpose(1, 2)
    torch.testing.assert_close(pool_features((None, maps)), maps.mean((2, 3)))
    torch.testing.assert_close(pool_features(tokens), maps.mean((2, 3)))
    assert pool_features(tokens[0]) is not None
    with pytest.raises(TypeError, match=r'got Tensor \(3,\)'):
        pool_features(torch.zeros(3))
