_base_ = [
    './internimage-g_joint-in22k-pre_64xb8-amp-coslr-20e_in1k-512.py',
    '../_base_/schedules/block-decay.py',
]

optim_wrapper = _base_.block_decay
