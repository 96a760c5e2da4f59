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
# chosen on the validation part among 3e-3, 6e-3 and 1.2e-2
optim_wrapper = dict(optimizer=dict(lr=1.2e-2))
