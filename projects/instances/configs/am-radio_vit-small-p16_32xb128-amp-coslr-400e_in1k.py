_base_ = ['_base_/am-radio.py', '_base_/in1k.py']
