_base_ = './dino_20k.py'

train_cfg = dict(max_iters=100000, val_interval=10000)
