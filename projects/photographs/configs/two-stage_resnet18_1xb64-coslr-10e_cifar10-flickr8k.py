# The usual pipeline at the same total budget: half of it self-supervised, the
# other half supervised with labels and texts, from whole pictures
_base_ = 'm3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
first_stage = 'two-stage-first_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(
    input=dict(_delete_=True, type='SingleView'),
    objectives=dict(
        intra=None,
        inter=None,
        category=dict(members=(0,)),
        text=dict(members=(0,)),
    ),
    decoders=None,
    momentum_encoder=None,
)
new_weights = ['decoders', 'objectives']
# chosen on the validation part among 3e-3, 6e-3 and 1.2e-2
optim_wrapper = dict(optimizer=dict(lr=6e-3))
