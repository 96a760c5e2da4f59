# iBOT: each masked view -> the prototypes of its hidden patches, and that of
# the other view. One head and two views, no small ones.
_base_ = 'dino.py'
centering = dict(type='Centering', num_prototypes=8192, temperature=0.04)
likelihood = dict(
    type='SoftCategorical', temperature=0.1, assignment=centering
)
model = dict(
    input=dict(
        _delete_=True,
        type='PatchMask',
        pattern=dict(type='BlockMask', ratio=0.4),
        fill=dict(type='MaskToken', embed_dims=384),
        num_views=2,
    ),
    neck=dict(num_prototypes=8192, dense=True),
    objectives=dict(
        y=dict(likelihood=dict(assignment=dict(num_prototypes=8192))),
        patches=dict(
            target=dict(
                type='DenseFeatures', patches='hidden', layer_norm=False
            ),
            decoder=dict(type='DenseDecoder'),
            likelihood=likelihood,
        ),
    ),
)
