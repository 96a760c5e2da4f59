# Fully sharded data parallelism: weights, gradients and the optimizer's state
# are spread over the processes. The classes of the backbone, the neck and
# their blocks are the units of the model, see m3i_mm.wrap_modules.
runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel',
        sharding_strategy='FULL_SHARD',
        use_orig_params=True,
        auto_wrap_policy=dict(
            type='m3i_mm.wrap_modules',
            names=[
                'VisionTransformer',
                'TransformerEncoderLayer',
                'InternImage',
                'Block',
                'StageFusion',
                'TransformerBlock',
            ],
        ),
    ),
    # checkpoints look like those of a single process
    state_dict_cfg='full',
)
optim_wrapper = dict(type='m3i_mm.ShardedOptimWrapper')
