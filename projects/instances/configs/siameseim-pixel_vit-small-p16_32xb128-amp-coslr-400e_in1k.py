_base_ = ['_base_/siameseim-pixel.py', '_base_/in1k.py']
