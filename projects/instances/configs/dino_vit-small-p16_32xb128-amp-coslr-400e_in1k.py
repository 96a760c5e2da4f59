_base_ = ['_base_/dino.py', '_base_/in1k_multi-crop.py']
