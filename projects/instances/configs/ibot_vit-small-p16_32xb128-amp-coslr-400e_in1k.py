_base_ = ['_base_/ibot.py', '_base_/in1k.py']
