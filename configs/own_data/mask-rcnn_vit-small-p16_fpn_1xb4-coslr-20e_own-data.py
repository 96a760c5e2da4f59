# ViTDet of the small size on squares of 640 px
_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_fpn.py',
    '../_base_/datasets/own-data_instances_640x640.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/schedules/own-data_20e.py',
]

model = dict(
    data_preprocessor=dict(pad_size_divisor=640),
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=384,
            num_layers=12,
            num_heads=6,
            feedforward_channels=1536,
            global_attn_indexes=(2, 5, 8, 11),
        ),
        img_size=640,
    ),
    neck=dict(in_channels=384),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
