_base_ = [
    '../_base_/backbones/composite-internimage-h.py',
    '../_base_/dino-4scale_o365-pre_80k_lvis.py',
]

model = dict(
    type='m3i_mm.models.detectors.CompositeDINO',
    backbone=dict(_delete_=True, **_base_.backbone, out_indices=(1, 2, 3)),
    neck=dict(in_channels=_base_.channels[1:]),
)
# a file of the authors, converted (README.md)
load_from = 'checkpoints/dino_4scale_cbinternimage_h_objects365_80classes.pth'
