# CrowdHuman: the full boxes of persons, in crowds
_base_ = './coco_detection_multi-scale.py'

crowdhuman = dict(
    _delete_=True,
    type='CrowdHumanDataset',
    data_root='data/CrowdHuman/',
    data_prefix=dict(img='Images/'),
)
val_file = 'annotations/annotation_val.odgt'
train_pipeline = _base_.train_pipeline
crop_branch = train_pipeline[3].transforms[1]
crop_branch[0].scales = [(400, 1333), (500, 1333), (600, 1333)]
crop_branch[1].allow_negative_crop = True
train_dataloader = dict(
    dataset=dict(
        **crowdhuman,
        ann_file='annotations/annotation_train.odgt',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        **crowdhuman,
        ann_file=val_file,
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='CrowdHumanMetric',
    ann_file='data/CrowdHuman/' + val_file,
    metric=['AP', 'MR', 'JI'],
)
test_evaluator = val_evaluator
