# InternImage-T taught by DINOv2 and CLIP; its last two stages are one map of
# stride 16, whose cells are the patches of both teachers.
_base_ = [
    '../../instances/configs/_base_/am-radio.py',
    '../../instances/configs/_base_/in1k.py',
]
layers = {
    name: [dict(objective.decoder.layers[0], in_channels=1024)]
    for name, objective in _base_.model.objectives.items()
}
model = dict(
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch='tiny',
        out_indices=(2, 3),
        drop_path_rate=0.1,
    ),
    neck=dict(
        type='m3i_mm.StageFusion', in_channels=[256, 512], out_channels=1024
    ),
    objectives=dict(
        dino_patches=dict(decoder=dict(layers=layers['dino_patches'])),
        dino_image=dict(decoder=dict(layers=layers['dino_image'])),
        clip_patches=dict(decoder=dict(layers=layers['clip_patches'])),
        clip_image=dict(decoder=dict(layers=layers['clip_image'])),
    ),
)
