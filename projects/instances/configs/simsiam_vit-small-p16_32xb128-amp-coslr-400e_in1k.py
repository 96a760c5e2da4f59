_base_ = ['_base_/simsiam.py', '_base_/in1k.py']
