_base_ = 'm3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(
    objectives=dict(intra=dict(members=(0, 1), weight=1.0), inter=None)
)
