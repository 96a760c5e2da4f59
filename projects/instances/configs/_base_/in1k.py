# ImageNet-1k, 400 epochs: the recipe of configs/m3i
_base_ = [
    '../../../../configs/_base_/datasets/in1k_two_views_224.py',
    '../../../../configs/_base_/schedules/m3i_4096_adamw_400e.py',
    '../../../../configs/_base_/default_runtime.py',
]
