# ViT-B/16 with window attention at 1024 pixels. Give the pre-trained weights
# by --cfg-options model.backbone.init_cfg.checkpoint=FILE
backbone = dict(
    type='m3i_mm.models.backbones.vitdet.ViTDet',
    arch='base',
    img_size=1024,
    window_size=14,
    use_rel_pos=True,
    drop_path_rate=0.1,
)
pretrained = dict(
    type='Pretrained',
    checkpoint='work_dirs/m3i_vit-base-p16/backbone.pth',
    prefix='backbone.',
)
