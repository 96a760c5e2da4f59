# Frozen features on ImageNet-1k: val (query) against train (bank). Nothing is
# trained, so there is only a test loop.
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/default_runtime.py',
]

test_dataloader = dict(
    _delete_=True,
    batch_size=256,
    num_workers=8,
    bank=dict(
        dataset=dict(
            type='mmpretrain.ImageNet',
            data_root='data/imagenet',
            split='train',
            pipeline=_base_.test_pipeline,
        )
    ),
    query=dict(
        dataset=dict(
            type='mmpretrain.ImageNet',
            data_root='data/imagenet',
            split='val',
            pipeline=_base_.test_pipeline,
        )
    ),
)
test_evaluator = dict(
    _delete_=True, type='m3i_mm.KNNAccuracy', k=20, topk=(1, 5)
)
test_cfg = dict(type='m3i_mm.FeatureEvalLoop')

train_dataloader = None
val_dataloader = None
val_evaluator = None
