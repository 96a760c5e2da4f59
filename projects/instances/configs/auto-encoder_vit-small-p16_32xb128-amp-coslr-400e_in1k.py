_base_ = ['_base_/auto-encoder.py', '_base_/in1k.py']
