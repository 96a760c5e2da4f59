_base_ = [
    '../_base_/backbones/internimage-t.py',
    '../_base_/dino-4scale_12e_coco.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        **_base_.backbone,
        drop_path_rate=0.2,
        out_indices=(1, 2, 3),
        with_cp=True,
        init_cfg=_base_.pretrained,
    ),
    neck=dict(in_channels=_base_.channels[1:]),
    # the published number is of 100 detections; the other sizes keep 300
    test_cfg=dict(max_per_img=100),
)
