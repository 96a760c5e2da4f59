_base_ = ['../../instances/configs/_base_/clip.py', '_base_/photographs.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    objectives=dict(
        y=dict(
            target=dict(
                text_encoder=dict(
                    out_dims=128,
                    embed_dims=64,
                    depth=1,
                    num_heads=2,
                    dropout=0.0,
                )
            ),
            decoder=dict(
                layers=[
                    dict(type='LinearNeck', in_channels=128, out_channels=128)
                ]
            ),
        )
    ),
)
# all pictures have a text
train_dataloader = dict(dataset=dict(datasets=[_base_.captioned], weights=[1]))
val_dataloader = dict(**_base_.val_text_sets)
val_evaluator = _base_.val_evaluator + _base_.text_metrics
test_dataloader = dict(**_base_.text_sets)
test_evaluator = val_evaluator
