# For encoders of 128 channels: another view is told from those of other
# pictures, labels and texts are predicted from the mean feature
projector = dict(
    type='NonLinearNeck',
    in_channels=128,
    hid_channels=512,
    out_channels=128,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN'),
)
other_view = dict(
    target=dict(type='ProjectedFeatures', layers=[projector]),
    decoder=dict(type='PoolingDecoder', layers=[projector]),
    likelihood=dict(
        type='Contrast',
        temperature=0.1,
        normalize=True,
        negatives=dict(type='BatchNegatives', own_view=True),
    ),
)
category_decoder = dict(type='PoolingDecoder')
text_decoder = dict(
    type='PoolingDecoder',
    layers=[dict(type='LinearNeck', in_channels=128, out_channels=128)],
)
# what all this changes of a model with the targets of the paper
contrast_form = dict(
    input=dict(_delete_=True, type='BothViews'),
    momentum_encoder=None,
    decoders=None,
    objectives=dict(
        intra=None,
        inter=dict(_delete_=True, **other_view),
        category=dict(decoder=dict(_delete_=True, **category_decoder)),
        text=dict(decoder=dict(_delete_=True, **text_decoder)),
    ),
)
