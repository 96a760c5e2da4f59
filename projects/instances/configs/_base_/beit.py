# BEiT-style: masked view -> visual words of its hidden patches. The
# tokenizer needs no training (BEST-RQ); MMPretrain's DALLEEncoder is BEiT's.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='BlockMask', ratio=0.4),
        fill=dict(type='MaskToken', embed_dims=384),
    ),
    objectives=dict(
        y=dict(
            target=dict(
                type='CodeTarget',
                tokenizer=dict(type='RandomProjectionTokenizer'),
                num_codes=512,
                embed_dims=384,
            ),
            decoder=dict(type='DenseDecoder'),
            likelihood=dict(type='Categorical'),
        )
    ),
)
