_base_ = './schedule_6e.py'
train_cfg = dict(max_epochs=12, val_interval=12)
