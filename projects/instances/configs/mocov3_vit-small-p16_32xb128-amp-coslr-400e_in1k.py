_base_ = ['_base_/mocov3.py', '_base_/in1k.py']
