# Without labels only the momentum encoder and this term keep the features from
# collapsing.
_base_ = 'm3i-single_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
likelihood = dict(regularizer=dict(type='UniGradTerm'))
model = dict(
    objectives=dict(
        intra=dict(likelihood=likelihood),
        inter=dict(likelihood=likelihood),
        category=None,
    )
)
