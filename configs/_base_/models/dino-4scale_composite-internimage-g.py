# DINO on two InternImage-G as one (CBNetV2)
_base_ = './dino-4scale_internimage-g.py'

model = dict(
    type='m3i_mm.models.detectors.CompositeDINO',
    backbone=dict(type='m3i_mm.CompositeInternImage'),
)
