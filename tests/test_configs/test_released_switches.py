"""What the README files say to follow the release is an override."""

import shlex
from argparse import ArgumentParser

import pytest
from toy.downstream import ROOT

from m3i_mm.runs.arguments import add_config_options
from m3i_mm.runs.reading import read_config

SWITCHES = [
    (
        'coco/dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_coco',
        'optim_wrapper.paramwise_cfg.layer_decay_rate=1.0 '
        'optim_wrapper.paramwise_cfg.custom_keys.level_embed.lr_mult=0.0426',
    ),
    (
        'coco/dino-4scale_internimage-h_o365-pre_64xb1-20k_coco',
        "model.train_cfg.snip_cfg=\"{'type':'v3','weight':0.1}\"",
    ),
    (
        'lvis/dino-4scale_composite-internimage-h_o365-pre_64xb1-80k_lvis-v1',
        "model.bbox_head.loss_cls=\"{'_delete_': True, 'type': 'FocalLoss', "
        "'use_sigmoid': True, 'gamma': 2.0, 'alpha': 0.25, 'loss_weight': "
        '1.0}"',
    ),
    (
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896',
        'model.decode_head.type=Mask2FormerHead',
    ),
    (
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896',
        'optim_wrapper.paramwise_cfg.stem_keys="[query_embed,query_feat,'
        'level_embed,cls_embed,mask_embed]"',
    ),
    (
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896',
        'load_from=mask2former_internimage_h_896_80k_cocostuff164k.pth',
    ),
    (
        'coco_stuff/mask2former_internimage-h_coco-stuff164k-pre_16xb1-40k_'
        'coco-stuff10k-512x512',
        'load_from=mask2former_internimage_h_896_80k_cocostuff164k.pth',
    ),
    (
        'cityscapes/mask2former_internimage-h_mapillary-pre_8xb2-80k_'
        'cityscapes-1024x1024',
        'load_from=mask2former_internimage_h_896x896_80k_mapillary.pth',
    ),
    (
        'imagenet/vit-base-p16-m3i-pre_8xb128-coslr-100e_in1k',
        'optim_wrapper.constructor=m3i_mm.LayerDecayOptimWrapperConstructor '
        "optim_wrapper.paramwise_cfg=\"{'_delete_':True,"
        "'layer_decay_rate':0.65,'custom_keys':{'pos_embed':{'lr_mult':0.0},"
        "'cls_token':{'decay_mult':0.0}}}\"",
    ),
    (
        'imagenet/vit-base-p16-m3i-pre_1percent_in1k',
        'model.backbone.out_type=cls_token model.backbone.final_norm=False',
    ),
    (
        'cityscapes/upernet_internimage-l_mapillary-pre_8xb2-160k_'
        'cityscapes-512x1024',
        'load_from=segformer_internimage_l_512x1024_80k_mapillary.pth',
    ),
]


@pytest.mark.parametrize(('name', 'switch'), SWITCHES)
def test_a_switch_of_a_readme(name, switch):
    folder = name.split('/')[0]
    assert switch in (ROOT / 'configs' / folder / 'README.md').read_text()
    parser = ArgumentParser()
    add_config_options(parser)
    words = ['--cfg-options', *shlex.split(switch)]
    options = parser.parse_args(words).cfg_options
    cfg = read_config(name, options)
    for key, value in options.items():
        node = cfg
        for part in key.split('.'):
            node = node[part]
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if k != '_delete_'}
        assert node == value
