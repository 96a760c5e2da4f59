_base_ = ['_base_/densecl.py', '_base_/in1k.py']
