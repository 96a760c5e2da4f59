_base_ = 'mocov3.py'
model = dict(
    objectives=dict(
        y=dict(
            weight=1.0,
            likelihood=dict(_delete_=True, type='Gaussian', normalize=True),
        )
    )
)
