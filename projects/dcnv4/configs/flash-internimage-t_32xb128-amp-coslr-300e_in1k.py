_base_ = (
    '../../../configs/internimage/internimage-t_32xb128-amp-coslr-300e_in1k.py'
)

custom_imports = dict(imports=['flash_internimage'])
model = dict(backbone=dict(type='m3i_mm.FlashInternImage'))
