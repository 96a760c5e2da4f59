_base_ = ['_base_/barlow-twins.py', '_base_/in1k.py']
