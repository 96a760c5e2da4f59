_base_ = '_base_/lightly.py'
