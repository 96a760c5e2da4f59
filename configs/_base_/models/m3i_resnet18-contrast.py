# M3I at a size for a CPU, in the form that did best on small budgets,
# docs/experiments.md: whole pictures, each of two views an input
_base_ = ['m3i_resnet18_emoji.py', 'contrast-128.py']
model = _base_.contrast_form
