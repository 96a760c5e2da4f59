_base_ = ['_base_/swav.py', '_base_/in1k_multi-crop.py']
