"""A segmentor and a detector of a few channels, for exports."""

import torch
from toy import downstream

from m3i_mm.runs import building

RESNET = dict(
    type='mmpretrain.ResNet',
    depth=18,
    out_indices=(0, 1, 2, 3),
    stem_channels=8,
    base_channels=8,
)
CHANNELS = [8, 16, 32, 64]


def segmentor_config():
    """Shrink a shipped UPerNet."""
    cfg = downstream.shrink(
        downstream.read_config(
            'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py'
        )
    )
    cfg.model.backbone = RESNET
    cfg.model.decode_head.update(num_classes=5, in_channels=CHANNELS)
    cfg.model.auxiliary_head = None
    return cfg


def detector_config():
    """Shrink a shipped Mask R-CNN."""
    cfg = downstream.shrink(
        downstream.read_config(
            'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py'
        )
    )
    model = cfg.model
    model.backbone = RESNET
    model.neck.in_channels = CHANNELS
    for head in (model.roi_head.bbox_head, model.roi_head.mask_head):
        head.num_classes = 3
    model.test_cfg.rcnn.max_per_img = 20
    model.test_cfg.rpn.update(nms_pre=100, max_per_img=50)
    return cfg


def build(cfg):
    """Build a model that is sure of some objects, others than others."""
    torch.manual_seed(0)
    model = building.build_model(cfg)
    building.initialize(model)
    for name, parameter in model.named_parameters():
        for part, std in (('cls', 0.3), ('reg', 0.05), ('conv_seg', 0.3)):
            if part in name.split('.')[-2]:
                torch.nn.init.normal_(parameter, std=std)
    return model.eval()
