# No mixing: one picture, half of its patches painted over
_base_ = 'm3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(
    input=dict(
        _delete_=True,
        type='PatchMask',
        patch_size=8,
        pattern=dict(type='UniformMask', ratio=0.5),
        fill=dict(type='FillPixels'),
    ),
    objectives=dict(intra=dict(members=(0,)), inter=dict(members=(0,))),
)
