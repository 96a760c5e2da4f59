_base_ = ['_base_/data2vec.py', '_base_/in1k.py']
