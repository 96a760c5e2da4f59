# Labels and texts are predicted from the mean, which is what is evaluated
_base_ = [
    '../../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py',
    '../../../../configs/_base_/models/contrast-128.py',
]
model = dict(
    objectives=dict(
        category=dict(decoder=dict(_delete_=True, **_base_.category_decoder)),
        text=dict(decoder=dict(_delete_=True, **_base_.text_decoder)),
    )
)
