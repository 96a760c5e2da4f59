# SimSiam: BYOL without momentum; the stop-gradient alone keeps it.
_base_ = 'byol.py'
model = dict(
    momentum_encoder=None,
    objectives=dict(y=dict(target=dict(encoder='online'), weight=1.0)),
)
