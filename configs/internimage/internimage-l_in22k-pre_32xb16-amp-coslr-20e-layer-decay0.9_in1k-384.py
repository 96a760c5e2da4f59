_base_ = [
    './internimage-l_in22k-pre_32xb16-amp-coslr-20e_in1k-384.py',
    '../_base_/schedules/block-decay.py',
]

optim_wrapper = _base_.block_decay
