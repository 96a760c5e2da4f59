# The encoder for pictures of 32 px and one CPU core: three stages of a
# ResNet-18 of half width, 3x3 stem, tokens of stride 8, 0.7 M parameters.
encoder = dict(
    type='mmpretrain.ResNet_CIFAR',
    depth=18,
    num_stages=3,
    strides=(2, 2, 2),
    dilations=(1, 1, 1),
    out_indices=(2,),
    stem_channels=32,
    base_channels=32,
)
