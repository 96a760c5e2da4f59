# SimMIM: MAE's target, but hidden patches are painted over, as suits a
# convolutional encoder, and the decoder is linear
_base_ = ['../../instances/configs/_base_/mae.py', '_base_/photographs.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    input=dict(
        patch_size=8,
        pattern=dict(ratio=0.6),
        fill=dict(_delete_=True, type='FillPixels'),
    ),
    objectives=dict(
        y=dict(
            target=dict(patch_size=8),
            decoder=dict(
                _delete_=True,
                type='DenseDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=128, out_channels=192)
                ],
            ),
        )
    ),
)
# chosen on the validation part among 3e-3, 6e-3 and 1.2e-2
optim_wrapper = dict(optimizer=dict(lr=6e-3))
