"""The metrics of the configs, from annotations on disk to the number."""

import pytest
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from toy import oracles  # noqa: F401
from toy.downstream import (
    read_config,
    shrink,
    use_data,
    write_detection_set,
    write_segmentation_set,
)

CONFIGS = {
    'coco': 'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
    'lvis': 'lvis/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_lvis-v1.py',
    'minival': 'lvis/dino-4scale_internimage-h_o365-pre_64xb1-80k_lvis-v1-'
    'minival.py',
    'ade20k': 'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py',
}


def evaluate(kind, root, wrong):
    """Test the oracle with the data and the metric of a config."""
    cfg = read_config(CONFIGS[kind])
    if kind == 'ade20k':
        write_segmentation_set(root)
        name, scope = 'SegmentationOracle', 'mmseg'
    else:
        from mmdet.datasets import CocoDataset, LVISV1Dataset

        dataset = CocoDataset if kind == 'coco' else LVISV1Dataset
        write_detection_set(root, dataset.METAINFO['classes'])
        name, scope = 'DetectionOracle', 'mmdet'
    cfg = use_data(shrink(cfg), root)
    runner = Runner(
        model=ConfigDict(
            type=name,
            wrong=wrong,
            data_preprocessor=cfg.model.data_preprocessor,
        ),
        work_dir=str(root / 'work'),
        test_dataloader=cfg.test_dataloader,
        test_evaluator=cfg.test_evaluator,
        test_cfg=cfg.test_cfg,
        default_scope=scope,
        experiment_name=f'{root.name}-{wrong}',
        log_level='ERROR',
    )
    return runner.test()


@pytest.mark.parametrize(
    ('kind', 'names'),
    [
        ('coco', ['coco/bbox_mAP', 'coco/segm_mAP']),
        ('lvis', ['lvis/bbox_AP', 'lvis/segm_AP', 'lvis/bbox_APf']),
        ('minival', ['lvis/bbox_AP']),
    ],
)
def test_detection(kind, names, tmp_path):
    right = evaluate(kind, tmp_path / 'right', wrong=False)
    wrong = evaluate(kind, tmp_path / 'wrong', wrong=True)
    for name in names:
        assert right[name] == pytest.approx(1.0)
    # every second object has the label of its neighbour
    assert wrong[names[0]] < 0.5


def test_segmentation(tmp_path):
    right = evaluate('ade20k', tmp_path / 'right', wrong=False)
    wrong = evaluate('ade20k', tmp_path / 'wrong', wrong=True)
    assert right['mIoU'] == pytest.approx(100)
    # two annotated classes: one is never found, the other everywhere
    assert wrong['mIoU'] < 50
