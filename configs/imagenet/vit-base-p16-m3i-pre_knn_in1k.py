# Weighted kNN (k = 20, temperature 0.07), the protocol of DINO.
_base_ = [
    '../_base_/models/vit-base-p16_features.py',
    '../_base_/evaluation/imagenet_features.py',
]
