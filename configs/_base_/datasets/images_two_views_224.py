# The pictures in any folder, without labels: --cfg-options data_root=FOLDER
_base_ = 'two_views_224.py'
data_root = 'data/images/'
train_dataloader = dict(
    dataset=dict(
        type='m3i_mm.SourceDataset',
        source=dict(
            type='m3i_mm.ImageFolderSource', root=data_root, labels=False
        ),
        pipeline=[
            dict(type='m3i_mm.DecodeImage', reduce=True),
            {{_base_.two_views}},
            {{_base_.pack_inputs}},
        ],
    )
)
