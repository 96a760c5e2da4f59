_base_ = [
    '../_base_/backbones/internimage-g.py',
    '../_base_/dino-4scale_26e_objects365.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        **_base_.backbone,
        out_indices=(1, 2, 3),
        init_cfg=_base_.pretrained,
    ),
    neck=dict(in_channels=_base_.channels[1:]),
)
