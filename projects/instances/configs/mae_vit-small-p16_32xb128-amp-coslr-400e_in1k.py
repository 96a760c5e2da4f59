_base_ = ['_base_/mae.py', '_base_/in1k.py']
