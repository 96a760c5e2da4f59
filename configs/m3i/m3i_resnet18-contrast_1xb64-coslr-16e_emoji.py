# The demo: pre-training in less than ten minutes on two CPU cores. Labels and
# texts are predicted from whole pictures, mixes predict their own features.
_base_ = [
    'm3i_resnet18_1xb64-coslr-24e_emoji.py',
    '../_base_/models/contrast-128.py',
]
model = dict(
    input=dict(
        _delete_=True,
        type='CombinedInputs',
        inputs=[dict(type='PatchMix', patch_size=16), dict(type='BothViews')],
    ),
    objectives=dict(
        intra=dict(members=(0, 1)),
        inter=dict(_delete_=True, members=(2,), **_base_.other_view),
        category=dict(
            decoder=dict(_delete_=True, **_base_.category_decoder),
            members=(2,),
        ),
        text=dict(
            decoder=dict(_delete_=True, **_base_.text_decoder), members=(2,)
        ),
    ),
)
train_cfg = dict(max_epochs=16, val_interval=16)
