# Another view told from those of others, from mixes; nothing is seen whole
_base_ = 'contrast.py'
model = dict(
    input=dict(_delete_=True, type='PatchMix', patch_size=8, ratio=0.5),
    objectives=dict(
        inter=dict(members=(0, 1)),
        category=dict(members=(0, 1)),
        text=dict(members=(0, 1)),
    ),
)
