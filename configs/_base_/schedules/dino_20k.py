# 20k iterations at a constant rate and batch size 64, from a detector
# pre-trained on Objects365, for the models of a billion parameters
_base_ = './dino_12e.py'

optim_wrapper = dict(
    paramwise_cfg=dict(
        layer_decay_rate=0.94,
        # the offsets of deformable attention in the head
        custom_keys=dict(sampling_offsets=dict(lr_mult=1e-3)),
    )
)
param_scheduler = [_base_.param_scheduler[0]]
train_cfg = dict(
    _delete_=True,
    type='IterBasedTrainLoop',
    max_iters=20000,
    val_interval=2000,
)
auto_scale_lr = dict(base_batch_size=64)
