_base_ = [
    '_base_/siglip.py',
    '../../../configs/_base_/datasets/yfcc15m_two_views_224.py',
    '../../../configs/_base_/schedules/m3i_4096_adamw_32e.py',
    '../../../configs/_base_/default_runtime.py',
]
