# Mapillary Vistas v1.2, all its labelled images, with the 19 classes of
# Cityscapes, on whose validation images it is evaluated
_base_ = 'mmseg::_base_/datasets/cityscapes.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2].ratio_range = (0.5, 1.0)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='m3i_mm.datasets.segmentation.MapillaryAsCityscapes',
                data_root='data/Mapillary/',
                data_prefix=dict(
                    img_path=f'{split}/images', seg_map_path=f'{split}/labels'
                ),
                pipeline=train_pipeline,
            )
            for split in ('training', 'validation')
        ],
    )
)
