# MoCo v3's projector and predictor for an encoder of 128 channels
_base_ = '../../../instances/configs/_base_/mocov3.py'
model = dict(
    neck=dict(in_channels=128, hid_channels=512, out_channels=128),
    objectives=dict(
        y=dict(
            decoder=dict(
                layers=[
                    dict(
                        type='NonLinearNeck',
                        in_channels=128,
                        hid_channels=512,
                        out_channels=128,
                        with_avg_pool=False,
                        norm_cfg=dict(type='SyncBN'),
                    )
                ]
            )
        )
    ),
)
