# DINO on two InternImage-H as one (CBNetV2)
_base_ = './dino-4scale_internimage-h.py'

model = dict(
    type='m3i_mm.models.detectors.CompositeDINO',
    backbone=dict(type='m3i_mm.CompositeInternImage'),
)
