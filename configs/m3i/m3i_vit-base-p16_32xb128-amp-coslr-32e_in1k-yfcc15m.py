_base_ = [
    '../_base_/models/m3i_vit-base-p16.py',
    '../_base_/datasets/in1k-yfcc15m_two_views_224.py',
    '../_base_/schedules/m3i_4096_adamw_32e.py',
    '../_base_/default_runtime.py',
]
