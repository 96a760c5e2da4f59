# Logistic regression on the frozen features of 1 % of the training set, the
# protocol of MSN: rows centred and of unit length, lambda = 1 / C = 0.1.
_base_ = 'vit-base-p16-m3i-pre_knn_in1k.py'

test_dataloader = dict(
    bank=dict(dataset=dict(ann_file='meta/train_1percent.txt'))
)
test_evaluator = dict(
    _delete_=True,
    type='m3i_mm.LinearProbe',
    C=10,
    scaling='center_and_normalize',
    topk=(1, 5),
)
