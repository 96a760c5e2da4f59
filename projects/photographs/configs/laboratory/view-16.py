# The second view at half the size, which costs a quarter to encode
_base_ = '../m3i-contrast_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
second_view = [
    dict(type='m3i_mm.Background'),
    dict(type='m3i_mm.RandomView', size=16, scale=(0.25, 1.0)),
    dict(type='m3i_mm.ColorMatrix'),
]
two_views = dict(
    _base_.two_views, transforms=[_base_.random_view, second_view]
)
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                source,
                pipeline=[
                    *source['pipeline'][:-2],
                    two_views,
                    _base_.pack_inputs,
                ],
            )
            for source in (_base_.labelled, _base_.captioned)
        ]
    )
)
