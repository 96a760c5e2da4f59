# A detector on the encoder of the rows, its maps at strides 4 and 8
_base_ = [
    '../../../../configs/_base_/models/resnet18_32px.py',
    '../../../../configs/_base_/models/mask-rcnn-64_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '_base_/schedule.py',
    'mmdet::_base_/default_runtime.py',
]
data_root = 'data/photographs/coco256/'
scale = (240, 160)
train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = scale
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = scale
loading = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=4, **loading, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(**loading, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
strides = [4, 8, 16, 32]
extractor = dict(featmap_strides=strides, finest_scale=28)
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    neck=dict(in_channels=[64, 128], num_outs=4),
    # objects of 16 px and more
    rpn_head=dict(anchor_generator=dict(strides=strides)),
    roi_head=dict(bbox_roi_extractor=extractor, mask_roi_extractor=extractor),
)
model['backbone']['out_indices'] = (1, 2)
train_cfg = dict(max_epochs=4)
# boxes of any category too, for most categories have a handful of objects
val_evaluator = dict(metric=['bbox', 'segm', 'proposal'])
test_evaluator = val_evaluator
