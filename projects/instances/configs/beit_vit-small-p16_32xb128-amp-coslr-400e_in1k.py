_base_ = ['_base_/beit.py', '_base_/in1k.py']
