# M3I itself beside its special cases
_base_ = (
    '../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
)
