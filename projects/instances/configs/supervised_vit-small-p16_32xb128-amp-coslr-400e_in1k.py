_base_ = ['_base_/supervised.py', '_base_/in1k.py']
