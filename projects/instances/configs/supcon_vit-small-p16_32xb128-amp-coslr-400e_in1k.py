_base_ = ['_base_/supcon.py', '_base_/in1k.py']
