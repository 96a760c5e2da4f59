# Hooks, environment, log and picture settings of pre-training.
default_scope = 'mmpretrain'

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='m3i_mm.OptimizerStepSchedulerHook'),
    checkpoint=dict(
        type='m3i_mm.CheckpointHook', interval=1, max_keep_ckpts=3
    ),
    nonfinite_loss=dict(type='m3i_mm.NonFiniteLossHook'),
    progress_bar=dict(type='m3i_mm.ProgressBarHook'),
)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
log_processor = dict(window_size=50)
log_level = 'INFO'
visualizer = dict(
    type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')]
)

# Processes draw different masks and mixes
randomness = dict(seed=0, diff_rank_seed=True)
load_from = None
resume = False
