_base_ = ['../../../instances/configs/_base_/mocov3.py', '_base_/cifar10.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    neck=_base_.projector,
    objectives=dict(
        y=dict(
            decoder=dict(
                layers=[
                    dict(
                        type='NonLinearNeck',
                        with_avg_pool=False,
                        norm_cfg=dict(type='SyncBN'),
                        **dict(_base_.projector, in_channels=128),
                    )
                ]
            )
        )
    ),
)
