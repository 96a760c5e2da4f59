# A mix of quarters: more of what each picture shows hangs together
_base_ = (
    '../../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
)
model = dict(input=dict(patch_size=16))
