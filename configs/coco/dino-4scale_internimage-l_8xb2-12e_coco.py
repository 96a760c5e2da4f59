_base_ = [
    '../_base_/backbones/internimage-l.py',
    '../_base_/dino-4scale_12e_coco.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        **_base_.backbone,
        drop_path_rate=0.4,
        out_indices=(1, 2, 3),
        init_cfg=_base_.pretrained,
    ),
    neck=dict(in_channels=_base_.channels[1:]),
)
