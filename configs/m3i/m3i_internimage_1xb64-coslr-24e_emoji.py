# A small InternImage on the demo's data; slower than the demo on a CPU
_base_ = 'm3i_resnet18_1xb64-coslr-24e_emoji.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch=dict(
            channels=32,
            depths=[1, 1, 2, 1],
            groups=[2, 4, 8, 16],
            mlp_ratio=2.0,
            offset_scale=1.0,
        ),
        out_indices=(2, 3),
    ),
    neck=dict(
        type='m3i_mm.StageFusion', in_channels=[128, 256], out_channels=128
    ),
    input=dict(patch_size=32),
)
