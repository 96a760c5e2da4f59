_base_ = ['_base_/novel-view.py', '_base_/in1k.py']
