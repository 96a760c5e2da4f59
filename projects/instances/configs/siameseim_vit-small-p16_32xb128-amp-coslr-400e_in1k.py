_base_ = ['_base_/siameseim.py', '_base_/in1k.py']
