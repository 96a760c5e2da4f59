# evaluation on the test images of 2012, whose labels the server keeps
_base_ = './dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_voc0712.py'

test_dataloader = dict(
    dataset=dict(
        data_root='data/VOCdevkit/VOC2012test/',
        ann_file='ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root=''),
    )
)
test_evaluator = dict(eval_mode='area')
