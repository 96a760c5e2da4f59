# No mixing: one image, half of its patches left out
_base_ = 'm3i_vit-small-p16_1xb64-10e_emoji.py'
model = dict(
    input=dict(
        _delete_=True,
        type='PatchMask',
        pattern=dict(type='UniformMask', ratio=0.5),
        fill=dict(type='DropPatches'),
    ),
    objectives=dict(intra=dict(members=(0,)), inter=dict(members=(0,))),
)
