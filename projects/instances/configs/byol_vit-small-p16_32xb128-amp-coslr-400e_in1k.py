_base_ = ['_base_/byol.py', '_base_/in1k.py']
