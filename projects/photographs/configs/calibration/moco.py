# MoCo: one view's embedding is told from a queue of older keys
_base_ = 'mocov3.py'
model = dict(
    input=dict(_delete_=True, type='SingleView'),
    objectives=dict(
        y=dict(
            weight=1.0,
            decoder=dict(_delete_=True, type='PoolingDecoder'),
            likelihood=dict(
                temperature=0.1,
                negatives=dict(
                    type='QueueNegatives', embed_dims=128, length=1024
                ),
            ),
        )
    ),
)
