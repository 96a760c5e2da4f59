# PASCAL VOC at large sizes: trained on the train and validation images of
# 2007 and 2012, tested on those of 2007
_base_ = './detection_2000x1000.py'

voc = dict(type='VOCDataset', data_root='data/VOCdevkit/')
train_dataloader = dict(
    **_base_.train_loader,
    dataset=dict(
        type='RepeatDataset',
        times=3,
        dataset=dict(
            type='ConcatDataset',
            # the two years differ in it
            ignore_keys=['dataset_type'],
            datasets=[
                dict(
                    **voc,
                    ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
                    data_prefix=dict(sub_data_root=f'VOC{year}/'),
                    filter_cfg=dict(filter_empty_gt=True, min_size=32),
                    pipeline=_base_.train_pipeline,
                )
                for year in (2007, 2012)
            ],
        ),
    ),
)
val_dataloader = dict(
    **_base_.test_loader,
    dataset=dict(
        **voc,
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
        pipeline=_base_.test_pipeline,
    ),
)
test_dataloader = val_dataloader
# 2007 is scored by eleven points of recall
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator
