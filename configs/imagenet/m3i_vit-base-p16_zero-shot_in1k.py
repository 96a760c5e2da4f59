# Zero-shot classification by a model with a text target: CLIP's class names
# and 80 prompt templates.
_base_ = [
    '../_base_/models/m3i_vit-base-p16.py',
    '../_base_/evaluation/imagenet_features.py',
]

test_dataloader = dict(
    _delete_=True,
    batch_size=256,
    num_workers=8,
    query=_base_.test_dataloader.query,
)
test_evaluator = dict(
    _delete_=True,
    type='m3i_mm.ZeroShotAccuracy',
    class_names='imagenet',
    templates='openai_imagenet',
    topk=(1, 5),
)
data_preprocessor = dict(
    _delete_=True,
    type='mmpretrain.SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)
