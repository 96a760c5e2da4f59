# The form of the targets that did best on small budgets, docs/experiments.md:
# whole pictures, each of two views an input, labels and texts predicted from
# the mean feature, and the other view told from those of others
_base_ = [
    'm3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py',
    '../_base_/models/contrast-128.py',
]
model = dict(
    input=dict(_delete_=True, type='BothViews'),
    momentum_encoder=None,
    decoders=None,
    objectives=dict(
        intra=None,
        inter=dict(_delete_=True, **_base_.other_view),
        category=dict(decoder=dict(_delete_=True, **_base_.category_decoder)),
        text=dict(decoder=dict(_delete_=True, **_base_.text_decoder)),
    ),
)
# the encoder learns best at a rate that undoes a text encoder
optim_wrapper = dict(
    optimizer=dict(lr=1.2e-2),
    constructor='DefaultOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys=dict(text_encoder=dict(lr_mult=0.25))),
)
