# SigLIP: image -> text, each pair by itself.
_base_ = 'clip.py'
model = dict(
    objectives=dict(
        y=dict(
            likelihood=dict(
                _delete_=True,
                type='SigmoidContrast',
                temperature=0.1,
                bias=-10.0,
            )
        )
    )
)
