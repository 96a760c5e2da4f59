# for schedules that count iterations
_base_ = './detection_runtime.py'

default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2000))
log_processor = dict(by_epoch=False)
