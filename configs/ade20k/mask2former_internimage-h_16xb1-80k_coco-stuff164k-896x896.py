# the stage before ADE20K
_base_ = [
    '../_base_/backbones/internimage-h.py',
    '../_base_/mask2former_80k_896x896.py',
]

num_classes = 171
model = dict(
    backbone=dict(
        _delete_=True, **_base_.backbone, init_cfg=_base_.pretrained
    ),
    decode_head=dict(
        in_channels=_base_.channels,
        num_classes=num_classes,
        # the last class is "no object"
        loss_cls=dict(class_weight=[1.0] * num_classes + [0.1]),
    ),
)
dataset = dict(type='COCOStuffDataset', data_root='data/coco_stuff164k')
train_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(
            img_path='images/train2017', seg_map_path='annotations/train2017'
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(
            img_path='images/val2017', seg_map_path='annotations/val2017'
        ),
    )
)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2e-5), clip_grad=None)
