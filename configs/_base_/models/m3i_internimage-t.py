# M3I on InternImage-T: the last two stages are fused to one map of stride 16
# and 1024 channels, as in InternImage-H (section 4.4 of the paper's facts).
_base_ = 'm3i_vit-base-p16.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch='tiny',
        out_indices=(2, 3),
        drop_path_rate=0.1,
    ),
    neck=dict(
        type='m3i_mm.StageFusion', in_channels=[256, 512], out_channels=1024
    ),
    # tokens of the last stage must not show two images: its stride is 32
    input=dict(patch_size=32),
    decoders=dict(image=dict(in_dims=1024, out_dims=1024)),
    objectives=dict(
        category=dict(decoder=dict(in_dims=1024)),
        text=dict(decoder=dict(in_dims=1024)),
    ),
)
