_base_ = '../../../configs/internimage/internimage-l_in22k-pre_32xb16-amp-coslr-20e_in1k-384.py'  # noqa: E501

custom_imports = dict(imports=['flash_internimage'])
model = dict(backbone=dict(type='m3i_mm.FlashInternImage'))

# Yours from ImageNet-22k; the authors released the result of this recipe only
load_from = None
