_base_ = ['_base_/siglip.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    objectives=dict(
        y=dict(
            target=dict(
                text_encoder=dict(embed_dims=128, depth=2, num_heads=4)
            )
        )
    ),
)
val_evaluator = _base_.image_metrics + _base_.text_metrics
test_evaluator = val_evaluator
