# DenseCL: each token -> the most similar token of another view, against
# a queue.
_base_ = 'vit-small-p16.py'
model = dict(
    neck=dict(
        type='m3i_mm.ConvProjector',
        in_channels=384,
        hidden_channels=1536,
        out_channels=128,
    ),
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
    objectives=dict(
        y=dict(
            target=dict(type='MatchedFeatures'),
            decoder=dict(type='DenseDecoder'),
            likelihood=dict(
                type='Contrast',
                temperature=0.2,
                normalize=True,
                negatives=dict(
                    type='QueueNegatives', embed_dims=128, length=65536
                ),
            ),
        )
    ),
)
