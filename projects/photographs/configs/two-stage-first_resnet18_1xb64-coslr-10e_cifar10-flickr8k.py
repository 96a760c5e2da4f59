# The self-supervised half of two-stage: M3I's image targets
_base_ = 'm3i-without-text_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(objectives=dict(category=None))
# chosen on the validation part among 3e-3, 6e-3 and 1.2e-2
optim_wrapper = dict(optimizer=dict(lr=6e-3))
