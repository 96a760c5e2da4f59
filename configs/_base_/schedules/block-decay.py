# The rate decays by 0.9 from block to block, and is a tenth of it for what
# predicts where and how DCNv3 samples
block_decay = dict(
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        _delete_=True,
        layer_decay_rate=0.9,
        depth='block',
        custom_keys={
            'dcn.offset': dict(lr_mult=0.1),
            'center_feature_scale_proj': dict(lr_mult=0.1),
        },
    ),
)
