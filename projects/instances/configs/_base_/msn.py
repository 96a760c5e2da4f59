# MSN-style: masked view -> mean feature of another view, against the batch.
_base_ = 'masked-global.py'
model = dict(
    input=dict(
        pattern=dict(_delete_=True, type='BlockMask', ratio=0.6),
    ),
    objectives=dict(y=dict(target=dict(view='other'))),
)
