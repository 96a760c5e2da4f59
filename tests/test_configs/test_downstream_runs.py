"""Whole runs of shipped configs on tiny data, as the tools do them."""

import json

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from toy.downstream import (
    read_config,
    shrink,
    use_data,
    write_detection_set,
    write_segmentation_set,
)

EPOCHS = 'coco/cascade-mask-rcnn_internimage-l_fpn_32xb2-3x_coco.py'
ITERATIONS = (
    'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
    'ade20k-896x896.py'
)
UPERNET = 'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py'


def small(name, root):
    """A config that trains one step on two images, then evaluates."""
    cfg = read_config(name)
    if cfg.default_scope == 'mmseg':
        write_segmentation_set(root)
    else:
        from mmdet.datasets import CocoDataset

        write_detection_set(root, CocoDataset.METAINFO['classes'])
    cfg = use_data(shrink(cfg), root)
    length = 'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'
    cfg.train_cfg.update({length: 1, 'val_interval': 1})
    cfg.default_hooks.checkpoint.interval = 1
    cfg.work_dir = str(root / 'work')
    cfg.experiment_name = root.name
    return cfg


@pytest.mark.parametrize(
    ('name', 'metrics', 'checkpoint'),
    [
        (EPOCHS, ['coco/bbox_mAP', 'coco/segm_mAP'], 'epoch_1.pth'),
        (ITERATIONS, ['mIoU', 'mAcc'], 'iter_1.pth'),
    ],
)
def test_train_and_evaluate(name, metrics, checkpoint, tmp_path):
    """With all hooks; the 3x schedule keeps a moving average."""
    cfg = small(name, tmp_path)
    if cfg.default_scope == 'mmdet':
        cfg.model.test_cfg.rcnn.score_thr = 0.0  # or nothing is detected
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert (tmp_path / 'work' / checkpoint).is_file()
    (log,) = (tmp_path / 'work').glob('*/vis_data/scalars.json')
    values = [json.loads(line) for line in log.read_text().splitlines()]
    for metric in metrics:
        (value,) = [entry[metric] for entry in values if metric in entry]
        assert -1 <= value <= 100


def test_two_processes_give_the_metrics_of_one(tmp_path, run_tool):
    """``dist_test.sh`` shares the images out; the metric is of all."""
    cfg = small(UPERNET, tmp_path)
    init_default_scope(cfg.default_scope)
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'model.pth')
    config = tmp_path / 'config.py'
    cfg.dump(config)
    found = []
    for count in (1, 2):
        out = tmp_path / f'metrics{count}.json'
        run_tool(
            'dist_test.sh',
            config,
            tmp_path / 'model.pth',
            count,
            '--out',
            out,
            env=dict(PORT=str(29610 + count)),
        )
        found.append(json.loads(out.read_text()))
    assert found[0] == found[1]
    assert 0 <= found[0]['mIoU'] <= 100


def test_other_classes_stop_a_training(tmp_path):
    cfg = small(EPOCHS, tmp_path)
    for head in cfg.model.roi_head.bbox_head:
        head.num_classes = 7
    runner = Runner.from_cfg(cfg)
    with pytest.raises(ValueError, match='num_classes=7.*has 80 classes'):
        runner.train()
