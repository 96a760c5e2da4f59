# COCO with the augmentation of DETR and Sparse R-CNN: one of 11 sizes, or a
# random crop between two resizes
_base_ = 'mmdet::_base_/datasets/coco_instance.py'

scales = [(size, 1333) for size in range(480, 801, 32)]
multi_scale_or_crop = dict(
    type='RandomChoice',
    transforms=[
        [dict(type='RandomChoiceResize', scales=scales, keep_ratio=True)],
        [
            dict(
                type='RandomChoiceResize',
                scales=[(400, 1333), (500, 1333), (600, 1333)],
                keep_ratio=True,
            ),
            dict(
                type='RandomCrop',
                crop_type='absolute_range',
                crop_size=(384, 600),
                allow_negative_crop=True,
            ),
            dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
        ],
    ],
)
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=_base_.backend_args),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomFlip', prob=0.5),
    multi_scale_or_crop,
    dict(type='PackDetInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
