# Cityscapes with its coarsely annotated images, whose refined labels are named
# as the fine ones (README.md of configs/cityscapes)
_base_ = 'mmseg::_base_/datasets/cityscapes.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='CityscapesDataset',
                data_root='data/cityscapes/',
                data_prefix=dict(img_path=images, seg_map_path=labels),
                pipeline=_base_.train_pipeline,
            )
            for images, labels in (
                ('leftImg8bit/train', 'gtFine/train'),
                ('leftImg8bit/train_extra', 'refinement_final/train_extra'),
            )
        ],
    )
)
