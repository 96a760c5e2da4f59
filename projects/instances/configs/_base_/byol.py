# BYOL: MoCo v3 with a Gaussian and no negatives; a predictor and the momentum
# keep it from collapse.
_base_ = 'mocov3.py'
model = dict(
    objectives=dict(
        y=dict(likelihood=dict(_delete_=True, type='Gaussian', normalize=True))
    )
)
