_base_ = ['_base_/global-distillation.py', '_base_/in1k.py']
