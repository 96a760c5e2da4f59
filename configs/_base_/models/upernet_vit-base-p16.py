# UPerNet on a plain ViT, as MAE has it: a bias for relative positions and a
# layer scale, which start with next to no effect; the maps of four depths are
# resized to strides 4 to 32, and images are tested by a sliding window. Give
# the pre-trained weights by
# --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = 'mmseg::_base_/models/upernet_mae.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.BEiTViT',
        arch='base',
        img_size=512,
        patch_size=16,
        out_indices=(3, 5, 7, 11),
        out_type='featmap',
        drop_path_rate=0.1,
        bias=True,
        use_abs_pos_emb=True,
        use_rel_pos_bias=True,
        layer_scale_init_value=1.0,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/m3i_vit-base-p16/backbone.pth',
            prefix='backbone.',
            new_weights=['*.relative_position_bias_table', '*.gamma_[12]'],
        ),
    ),
    decode_head=dict(num_classes=150, in_channels=[768] * 4, channels=768),
    auxiliary_head=dict(num_classes=150, in_channels=768),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
)
