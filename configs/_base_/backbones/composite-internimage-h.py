# two InternImage-H as one (CBNetV2)
_base_ = './internimage-h.py'
backbone = dict(type='m3i_mm.CompositeInternImage')
