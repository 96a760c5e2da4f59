# The paper in small: labelled pictures and pictures with texts, four targets,
# in a minute or two of a CPU core
_base_ = [
    '../_base_/models/m3i_resnet18_32px.py',
    '../_base_/datasets/cifar10-flickr8k_two_views_32.py',
    '../_base_/evaluation/photographs.py',
    '../_base_/schedules/m3i_64_adamw_demo.py',
    '../_base_/default_runtime.py',
]
