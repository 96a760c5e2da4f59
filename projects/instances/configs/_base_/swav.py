# SwAV: each view, large or small -> the prototype of a large other one, shared
# out evenly over the batch; no momentum.
_base_ = 'dino.py'
model = dict(
    neck=dict(
        num_prototypes=3000,
        num_layers=2,
        bottleneck_channels=128,
    ),
    momentum_encoder=None,
    objectives=dict(
        y=dict(
            target=dict(encoder='online'),
            likelihood=dict(
                assignment=dict(
                    _delete_=True, type='Sinkhorn', temperature=0.05
                )
            ),
        )
    ),
)
