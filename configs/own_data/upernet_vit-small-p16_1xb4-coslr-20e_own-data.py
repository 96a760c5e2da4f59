# UPerNet on ViT-S/16 in windows of 512 px
_base_ = [
    '../_base_/models/upernet_vit-base-p16.py',
    '../_base_/datasets/own-data_maps_512x512.py',
    'mmseg::_base_/default_runtime.py',
    '../_base_/schedules/own-data_20e.py',
]

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=_base_.scale),
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=384,
            num_layers=12,
            num_heads=6,
            feedforward_channels=1536,
        ),
    ),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384] * 4, channels=384, norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=384, norm_cfg=norm_cfg),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
log_processor = dict(by_epoch=True)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
