# SiameseIM on pixels: masked view -> normalised pixels of another view.
_base_ = 'siameseim.py'
model = dict(
    momentum_encoder=None,
    objectives=dict(
        y=dict(
            target=dict(
                _delete_=True, type='Pixels', view='other', normalize=True
            ),
            decoder=dict(out_dims=768),
            likelihood=dict(_delete_=True, type='Gaussian'),
        )
    ),
)
