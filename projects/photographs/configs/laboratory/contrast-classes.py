# Another view told from those of other categories (SupCon), as far as labels
# are known; else from those of other pictures
_base_ = 'contrast-unmixed.py'
model = dict(
    objectives=dict(
        inter=dict(
            target=dict(classes='gt_label'),
            likelihood=dict(
                _delete_=True, type='SupervisedContrast', temperature=0.1
            ),
        )
    )
)
