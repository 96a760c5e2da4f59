# DINO: each view, large or small -> the prototype that the momentum encoder
# assigns to a large other one. The mean of the patches stands for the image.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(type='MultiCrop'),
    neck=dict(
        type='m3i_mm.PrototypeHead', in_channels=384, num_prototypes=65536
    ),
    momentum_encoder=dict(type='MomentumEncoder'),
    objectives=dict(
        y=dict(
            target=dict(type='GlobalFeatures'),
            decoder=dict(type='PoolingDecoder'),
            likelihood=dict(
                type='SoftCategorical',
                temperature=0.1,
                assignment=dict(
                    type='Centering', num_prototypes=65536, temperature=0.04
                ),
            ),
        )
    ),
)
