# Another view told from those of others, each view being the input once;
# mixes predict only their own view
_base_ = 'mean-pooling.py'
projector = dict(
    type='NonLinearNeck',
    in_channels=128,
    hid_channels=512,
    out_channels=128,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN'),
)
model = dict(
    input=dict(
        _delete_=True,
        type='CombinedInputs',
        inputs=[dict(type='PatchMix', patch_size=8), dict(type='BothViews')],
    ),
    objectives=dict(
        intra=dict(members=(0, 1), weight=0.5),
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
            members=(2,),
        ),
        category=dict(members=(2,)),
        text=dict(members=(2,)),
    ),
)
