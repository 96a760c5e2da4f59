_base_ = 'mmdet::_base_/default_runtime.py'

default_hooks = dict(
    # the first metric of the evaluator, usually the box AP
    checkpoint=dict(max_keep_ckpts=3, save_best='auto', rule='greater'),
    checkpoint_fit=dict(type='m3i_mm.CheckpointFitHook'),
    class_count=dict(type='m3i_mm.ClassCountHook'),
)
