_base_ = [
    '../_base_/backbones/internimage-g.py',
    '../_base_/dino-4scale_o365-pre_20k_coco.py',
]

model = dict(
    backbone=dict(_delete_=True, **_base_.backbone, out_indices=(1, 2, 3)),
    neck=dict(in_channels=_base_.channels[1:]),
)
load_from = (
    'work_dirs/dino-4scale_internimage-g_256xb1-26e_objects365/epoch_26.pth'
)
