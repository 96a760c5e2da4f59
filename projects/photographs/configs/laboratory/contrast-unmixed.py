# The same without mixes, and so without the view's own features as a target
_base_ = 'contrast.py'
model = dict(
    input=dict(_delete_=True, type='BothViews'),
    decoders=None,
    momentum_encoder=None,
    objectives=dict(
        intra=None,
        inter=dict(members=(0,)),
        category=dict(members=(0,)),
        text=dict(members=(0,)),
    ),
)
