# What the laboratory made of M3I
_base_ = (
    '../../../configs/m3i/'
    'm3i_resnet18-contrast_1xb64-coslr-10e_cifar10-flickr8k.py'
)
