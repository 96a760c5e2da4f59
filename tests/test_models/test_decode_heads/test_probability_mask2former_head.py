"""ProbabilityMask2FormerHead: combined at low resolution, then enlarged."""

import pytest
import torch
import torch.nn.functional as F

from m3i_mm.models.decode_heads import ProbabilityMask2FormerHead

pytestmark = pytest.mark.openmmlab


def predict(class_logits, mask_logits, meta):
    """Call ``predict`` with given outputs of the Transformer."""

    def outputs(features, samples):
        assert samples[0].metainfo == meta
        return [None, class_logits], [None, mask_logits]

    return ProbabilityMask2FormerHead.predict(outputs, (), [meta], {})


@pytest.mark.parametrize(
    'meta',
    [
        dict(img_shape=(9, 11)),
        dict(img_shape=(7, 7), pad_shape=(9, 11)),
    ],
)
def test_against_loops(meta):
    torch.manual_seed(0)
    class_logits, mask_logits = torch.randn(2, 3, 5), torch.randn(2, 3, 4, 4)
    wanted = torch.zeros(2, 4, 4, 4)
    for image in range(2):
        for query in range(3):
            scores = class_logits[image, query].softmax(0)
            for label in range(4):
                wanted[image, label] += (
                    scores[label] * mask_logits[image, query].sigmoid()
                )
    wanted = F.interpolate(wanted, (9, 11), mode='bilinear')
    found = predict(class_logits, mask_logits, meta)
    torch.testing.assert_close(found, wanted)
