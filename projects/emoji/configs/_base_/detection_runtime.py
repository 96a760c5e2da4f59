# A progress bar, and a picture of truth and prediction of every tenth test
# scene
_base_ = 'mmdet::_base_/default_runtime.py'

default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(max_keep_ckpts=1),
    visualization=dict(draw=True, interval=10),
)
custom_hooks = [dict(type='m3i_mm.ProgressBarHook')]
