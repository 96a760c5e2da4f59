# Parts of LVIS v1 for detectors whose own config is based on COCO
lvis_root = 'data/lvis_v1/'
train_file = 'annotations/lvis_v1_train.json'
val_file = 'annotations/lvis_v1_val.json'
lvis_train = dict(
    type='LVISV1Dataset',
    data_root=lvis_root,
    data_prefix=dict(img=''),
    ann_file=train_file,
    filter_cfg=dict(filter_empty_gt=True, min_size=32),
)
lvis_val = dict(
    type='LVISV1Dataset',
    data_root=lvis_root,
    data_prefix=dict(img=''),
    ann_file=val_file,
)
lvis_metric = dict(
    type='m3i_mm.evaluation.detection.LVISMetric',
    ann_file=lvis_root + val_file,
)
# images are repeated so that rare classes occur more often
class_balance = dict(type='ClassBalancedDataset', oversample_thr=1e-3)
federated_loss = dict(
    type='m3i_mm.FederatedFocalLoss',
    class_frequency=lvis_root + train_file,
    num_classes_kept=50,
    power=0.5,
)
