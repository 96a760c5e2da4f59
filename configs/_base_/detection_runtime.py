_base_ = 'mmdet::_base_/default_runtime.py'

default_hooks = dict(class_count=dict(type='m3i_mm.ClassCountHook'))
