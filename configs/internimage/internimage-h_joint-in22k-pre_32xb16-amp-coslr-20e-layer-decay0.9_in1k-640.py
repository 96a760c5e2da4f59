_base_ = [
    './internimage-h_joint-in22k-pre_32xb16-amp-coslr-20e_in1k-640.py',
    '../_base_/schedules/block-decay.py',
]

optim_wrapper = _base_.block_decay
