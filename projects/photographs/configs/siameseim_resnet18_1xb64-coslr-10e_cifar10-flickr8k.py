_base_ = [
    '../../instances/configs/_base_/siameseim.py',
    '_base_/photographs.py',
]
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    input=dict(patch_size=8, fill=dict(_delete_=True, type='FillPixels')),
    objectives=dict(
        y=dict(
            decoder=dict(
                in_dims=128, out_dims=128, embed_dims=128, depth=1, num_heads=4
            )
        )
    ),
)
