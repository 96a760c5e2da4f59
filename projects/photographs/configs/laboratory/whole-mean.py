# Whole pictures for labels and texts, predicted from the mean
_base_ = 'mean-pooling.py'
model = dict(
    input=dict(
        _delete_=True,
        type='CombinedInputs',
        inputs=[
            dict(type='PatchMix', patch_size=8),
            dict(type='SingleView'),
        ],
    ),
    objectives=dict(category=dict(members=(2,)), text=dict(members=(2,))),
)
