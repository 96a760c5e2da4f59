_base_ = ['_base_/msn.py', '_base_/in1k.py']
