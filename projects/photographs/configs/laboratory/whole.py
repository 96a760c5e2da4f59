# Labels and texts are predicted from whole pictures, image targets from mixes
_base_ = (
    '../../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
)
model = dict(
    input=dict(
        _delete_=True,
        type='CombinedInputs',
        inputs=[
            dict(type='PatchMix', patch_size=8),
            dict(type='SingleView'),
        ],
    ),
    objectives=dict(category=dict(members=(2,)), text=dict(members=(2,))),
)
