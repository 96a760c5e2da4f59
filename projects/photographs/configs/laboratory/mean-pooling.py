# Labels and texts are predicted from the mean, which is what is evaluated
_base_ = (
    '../../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
)
model = dict(
    objectives=dict(
        category=dict(decoder=dict(_delete_=True, type='PoolingDecoder')),
        text=dict(
            decoder=dict(
                _delete_=True,
                type='PoolingDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=128, out_channels=128)
                ],
            )
        ),
    )
)
