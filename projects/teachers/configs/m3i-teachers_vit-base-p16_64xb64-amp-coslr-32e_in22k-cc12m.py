# All there is in one stage: categories, texts, M3I's two image targets, and
# two teachers: patches of DINOv2 and CLIP's embedding of each image of a mix.
_base_ = [
    '../../../configs/_base_/models/m3i_vit-base-p16.py',
    '../../../configs/_base_/teachers/dinov2-b_clip-b16.py',
    '../../../configs/_base_/datasets/in22k-cc12m_two_views_224.py',
    '../../../configs/_base_/schedules/m3i_4096_adamw_32e.py',
    '../../../configs/_base_/default_runtime.py',
]
model = dict(
    teachers=_base_.teachers,
    objectives=dict(
        category=dict(target=dict(num_classes=21841)),
        dino=dict(
            target=dict(type='DenseFeatures', encoder='dino', view='same'),
            decoder=dict(
                type='TransformerDecoder',
                in_dims=768,
                out_dims=768,
                embed_dims=768,
                depth=2,
                num_heads=16,
                norm_cfg=dict(type='SyncBN'),
            ),
            likelihood=dict(type='Gaussian'),
        ),
        clip=dict(
            target=dict(type='GlobalFeatures', encoder='clip', view='same'),
            decoder=dict(
                type='AttentionPoolingDecoder', in_dims=768, out_dims=512
            ),
            likelihood=dict(type='Gaussian', normalize=True),
        ),
    ),
    # the likelihoods differ in scale
    weights=dict(type='LearnedWeights'),
)
train_dataloader = dict(batch_size=64)
