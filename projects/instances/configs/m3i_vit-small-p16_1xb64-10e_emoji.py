# M3I itself beside its special cases
_base_ = [
    '../../../configs/_base_/models/m3i_vit-small-p16.py',
    '_base_/emoji.py',
]
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    decoders=dict(image=dict(depth=2)),
    objectives=dict(
        category=dict(target=dict(field='subgroup', num_classes=94)),
        text=dict(
            target=dict(
                text_encoder=dict(embed_dims=128, depth=2, num_heads=4)
            )
        ),
    ),
)
val_evaluator = _base_.image_metrics + _base_.text_metrics
test_evaluator = val_evaluator
