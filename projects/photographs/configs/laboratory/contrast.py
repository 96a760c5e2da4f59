# Another view told from those of others, each view being the input once;
# mixes predict only their own view
_base_ = 'mean-pooling.py'
model = dict(
    input=dict(
        _delete_=True,
        type='CombinedInputs',
        inputs=[dict(type='PatchMix', patch_size=8), dict(type='BothViews')],
    ),
    objectives=dict(
        intra=dict(members=(0, 1), weight=0.5),
        inter=dict(_delete_=True, members=(2,), **_base_.other_view),
        category=dict(members=(2,)),
        text=dict(members=(2,)),
    ),
)
