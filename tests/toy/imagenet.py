"""The shipped configs of ImageNet, at sizes that a test can run."""

from mmengine.config import Config

TINY_VIT = dict(
    arch=dict(
        embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=32
    ),
    img_size=32,
)


def set_everywhere(node, key, value):
    """Replace an entry wherever it stands in a config."""
    if isinstance(node, dict):
        if key in node:
            node[key] = value
        for child in node.values():
            set_everywhere(child, key, value)
    elif isinstance(node, list):
        for child in node:
            set_everywhere(child, key, value)


def reduced(name, imagenet, work_dir):
    cfg = Config.fromfile(f'configs/imagenet/{name}.py')
    for key, value in (
        ('data_root', imagenet),
        ('batch_size', 8),
        ('num_workers', 0),
        ('persistent_workers', False),
        ('init_cfg', None),
        ('crop_size', 32),
        ('frozen_stages', 2),
        ('input_features', 32),
        ('in_channels', 32),
    ):
        set_everywhere(cfg._cfg_dict, key, value)
    cfg.model.backbone.update(TINY_VIT)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{name}-{work_dir}'
    cfg.pop('visualizer', None)
    return cfg
