_base_ = ['_base_/masked-global.py', '_base_/in1k.py']
