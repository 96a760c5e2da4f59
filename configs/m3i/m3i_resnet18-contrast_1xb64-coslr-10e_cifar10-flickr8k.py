# The form of the targets that did best on small budgets, docs/experiments.md:
# whole pictures, each of two views an input, labels and texts predicted from
# the mean feature, and the other view told from those of others
_base_ = 'm3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
projector = dict(
    type='NonLinearNeck',
    in_channels=128,
    hid_channels=512,
    out_channels=128,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN'),
)
model = dict(
    input=dict(_delete_=True, type='BothViews'),
    momentum_encoder=None,
    decoders=None,
    objectives=dict(
        intra=None,
        inter=dict(
            _delete_=True,
            target=dict(type='ProjectedFeatures', layers=[projector]),
            decoder=dict(type='PoolingDecoder', layers=[projector]),
            likelihood=dict(
                type='Contrast',
                temperature=0.1,
                normalize=True,
                negatives=dict(type='BatchNegatives', own_view=True),
            ),
        ),
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
    ),
)
# the encoder learns best at a rate that undoes a text encoder
optim_wrapper = dict(
    optimizer=dict(lr=1.2e-2),
    constructor='DefaultOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys=dict(text_encoder=dict(lr_mult=0.25))),
)
