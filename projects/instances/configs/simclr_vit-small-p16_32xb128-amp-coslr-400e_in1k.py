_base_ = ['_base_/simclr.py', '_base_/in1k.py']
