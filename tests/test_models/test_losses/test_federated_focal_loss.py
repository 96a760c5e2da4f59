"""FederatedFocalLoss against loops, its sampling, and its files."""

import json

import pytest
import torch

from m3i_mm.models.losses import FederatedFocalLoss, read_class_frequency

pytestmark = pytest.mark.openmmlab


def focal_by_loops(logits, labels, weights, classes, gamma, alpha):
    """Lin et al., 2017, equation 5, one logit at a time."""
    total = 0.0
    for row, label, weight in zip(logits, labels, weights, strict=True):
        for index in classes:
            p = torch.sigmoid(row[index])
            if label == index:
                total -= weight * alpha * (1 - p) ** gamma * p.log()
            else:
                total -= weight * (1 - alpha) * p**gamma * (1 - p).log()
    return total


def test_all_classes_kept_is_the_focal_loss():
    torch.manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 4, 4, 1, 0])
    weights = torch.tensor([1.0, 1, 0.5, 0, 1, 2], dtype=torch.float64)
    loss = FederatedFocalLoss([1, 2, 3, 4], num_classes_kept=4, loss_weight=2)
    found = loss(logits, labels, weights, avg_factor=3.0)
    wanted = focal_by_loops(logits, labels, weights, range(4), 2.0, 0.25)
    torch.testing.assert_close(found, 2 * wanted / 3)
    found.backward()
    assert torch.isfinite(logits.grad).all()


def test_gamma_zero_is_binary_cross_entropy():
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 3])
    loss = FederatedFocalLoss([1, 1, 1], gamma=0.0, alpha=-1.0)
    target = torch.nn.functional.one_hot(labels, 4)[:, :3].float()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, target, reduction='sum'
    )
    torch.testing.assert_close(loss(logits, labels), wanted / 5)


def test_unsampled_classes_get_no_gradient():
    """Whatever occurs is kept; a class of frequency 0 is never drawn."""
    loss = FederatedFocalLoss([9, 9, 9, 0, 9, 9], num_classes_kept=3)
    logits = torch.randn(8, 6, requires_grad=True)
    loss(logits, torch.tensor([3, 6, 6, 6, 6, 6, 6, 6])).backward()
    kept = logits.grad.abs().sum(0) > 0
    assert kept[3]
    assert kept.sum() == 3


def test_sampling_probability_is_the_power_of_the_frequency():
    torch.manual_seed(0)
    loss = FederatedFocalLoss([1, 4, 16], num_classes_kept=1, power=0.5)
    counts = torch.zeros(3)
    for _ in range(3000):
        counts[loss.sample_classes(torch.tensor([3]), 3)] += 1
    expected = torch.tensor([1.0, 2, 4]) / 7
    torch.testing.assert_close(counts / 3000, expected, atol=0.03, rtol=0)


def test_more_classes_occur_than_are_kept():
    loss = FederatedFocalLoss([1] * 5, num_classes_kept=2)
    chosen = loss.sample_classes(torch.tensor([4, 0, 2, 5]), 5)
    assert chosen.tolist() == [0, 2, 4]


def test_interface_of_box_heads():
    loss = FederatedFocalLoss([1, 1])
    logits = torch.tensor([[2.0, -1.0], [0.0, 3.0], [5.0, 0.0]])
    assert loss.get_cls_channels(2) == 2
    scores = loss.get_activation(logits)
    torch.testing.assert_close(scores[:, :2], logits.sigmoid())
    assert not scores[:, 2].any()
    accuracy = loss.get_accuracy(logits, torch.tensor([0, 0, 2]))
    assert float(accuracy['acc_classes']) == 50
    accuracy = loss.get_accuracy(logits, torch.tensor([2, 2, 2]))
    assert float(accuracy['acc_classes']) == 0


@pytest.mark.parametrize('whole', [True, False])
def test_frequencies_are_read_in_order_of_id(tmp_path, whole):
    categories = [dict(id=2, image_count=7), dict(id=1, image_count=5)]
    path = tmp_path / 'lvis.json'
    path.write_text(
        json.dumps(dict(categories=categories) if whole else categories)
    )
    assert read_class_frequency(path) == [5, 7]


def test_missing_file_is_told_at_the_first_loss_only(tmp_path):
    loss = FederatedFocalLoss(str(tmp_path / 'absent.json'))
    with pytest.raises(FileNotFoundError, match='absent.json.*LVIS training'):
        loss(torch.randn(1, 2), torch.tensor([0]))


def test_file_of_another_format(tmp_path):
    path = tmp_path / 'coco.json'
    path.write_text(json.dumps(dict(categories=[dict(id=1, name='cat')])))
    with pytest.raises(ValueError, match='coco.json is not in LVIS format'):
        read_class_frequency(path)


def test_other_number_of_classes():
    loss = FederatedFocalLoss([1, 2, 3])
    with pytest.raises(ValueError, match='has 3 categories.*predicts 5'):
        loss(torch.randn(1, 5), torch.tensor([0]))


def test_other_reduction():
    loss = FederatedFocalLoss([1, 2])
    with pytest.raises(ValueError, match="'sum'"):
        loss(torch.randn(1, 2), torch.tensor([0]), reduction_override='sum')
