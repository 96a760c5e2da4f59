_base_ = [
    '../_base_/models/m3i_internimage-t.py',
    '../_base_/datasets/in1k_two_views_224.py',
    '../_base_/schedules/m3i_4096_adamw_400e.py',
    '../_base_/default_runtime.py',
]
# no texts in ImageNet-1k
model = dict(objectives=dict(text=None))
