# Image targets of less weight
_base_ = (
    '../../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
)
model = dict(objectives=dict(intra=dict(weight=0.15), inter=dict(weight=0.15)))
