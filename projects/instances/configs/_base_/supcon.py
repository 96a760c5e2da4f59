# SupCon: each view -> the other one and all views of the class, against all
# other views of the batch.
_base_ = 'simclr.py'
model = dict(
    objectives=dict(
        y=dict(
            target=dict(classes='gt_label'),
            likelihood=dict(
                _delete_=True,
                type='SupervisedContrast',
                temperature=0.1,
            ),
        )
    )
)
