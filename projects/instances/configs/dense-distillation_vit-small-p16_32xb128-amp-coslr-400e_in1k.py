_base_ = ['_base_/dense-distillation.py', '_base_/in1k.py']
