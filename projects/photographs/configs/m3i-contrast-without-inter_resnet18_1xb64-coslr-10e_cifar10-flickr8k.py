_base_ = 'm3i-contrast_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(objectives=dict(inter=None))
