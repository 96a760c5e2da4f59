# The image encoder of M3I ViT-B/16 alone. Its feature is the mean of the
# tokens after the last normalisation, as in pre-training.
model = dict(
    type='mmpretrain.ImageClassifier',
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch='base',
        img_size=224,
        patch_size=16,
        out_type='featmap',
    ),
)
