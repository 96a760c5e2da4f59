_base_ = [
    '../_base_/models/upernet_vit-base-p16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    'mmseg::_base_/default_runtime.py',
]

# the window slides over images of any size, so none is enlarged to a multiple
test_pipeline = [
    step for step in _base_.test_pipeline if step.type != 'ResizeToMultiple'
]
tta_pipeline = _base_.tta_pipeline
del tta_pipeline[1].transforms[1]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = dict(
    optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.65)
)
