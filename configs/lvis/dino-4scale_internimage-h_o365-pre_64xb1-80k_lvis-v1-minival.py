# evaluation on minival, the 5k images of COCO's validation set
_base_ = './dino-4scale_internimage-h_o365-pre_64xb1-80k_lvis-v1.py'

ann_file = 'annotations/lvis_v1_minival.json'
val_dataloader = dict(dataset=dict(ann_file=ann_file))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=_base_.lvis_root + ann_file)
test_evaluator = val_evaluator
