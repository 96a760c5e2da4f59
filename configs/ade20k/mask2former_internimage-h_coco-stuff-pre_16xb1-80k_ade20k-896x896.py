_base_ = [
    '../_base_/backbones/internimage-h.py',
    '../_base_/mask2former_80k_896x896.py',
]

model = dict(
    backbone=dict(_delete_=True, **_base_.backbone),
    decode_head=dict(in_channels=_base_.channels),
)
load_from = (
    'work_dirs/mask2former_internimage-h_16xb1-80k_coco-stuff164k-896x896/'
    'iter_80000.pth'
)
