"""Evaluation functions against scikit-learn and slow loops."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from m3i_mm.evaluation.functional import (
    best_ranks,
    center_and_normalize,
    chance_recall,
    class_embeddings,
    fill_templates,
    fit_logistic_regression,
    knn_scores,
    recall_at,
    standardize,
)
from m3i_mm.evaluation.functional.chunks import row_chunks


@pytest.fixture
def clouds():
    """Four overlapping clouds: bank, labels, queries; float64."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    labels = torch.arange(60) % 4
    noise = torch.randn(90, 6, generator=generator, dtype=torch.float64)
    points = centers[torch.arange(90) % 4] + noise
    return points[:60], labels, points[60:]


def test_row_chunks_cover_all_rows():
    chunks = list(row_chunks(10, 3, max_elements=9))
    assert [(c.start, c.stop) for c in chunks] == [
        (0, 3),
        (3, 6),
        (6, 9),
        (9, 10),
    ]
    assert len(list(row_chunks(4, 100, max_elements=9))) == 4
    assert list(row_chunks(0, 5)) == []


def test_plain_knn_is_sklearns(clouds):
    bank, labels, queries = clouds
    scores = knn_scores(queries, bank, labels, 4, k=7, temperature=None)
    reference = KNeighborsClassifier(7, metric='cosine').fit(bank, labels)
    np.testing.assert_allclose(scores / 7, reference.predict_proba(queries))


def test_weighted_knn_is_the_written_out_vote(clouds):
    bank, labels, queries = clouds
    scores = knn_scores(queries, bank, labels, 4, k=5, temperature=0.1)
    scores = scores / scores.sum(1, keepdim=True)
    for query, row in zip(queries, scores, strict=True):
        cosines = [float(query @ b / query.norm() / b.norm()) for b in bank]
        votes = np.zeros(4)
        for index in np.argsort(cosines)[::-1][:5]:
            votes[labels[index]] += np.exp(cosines[index] / 0.1)
        np.testing.assert_allclose(row, votes / votes.sum(), rtol=1e-9)


def test_knn_does_not_depend_on_the_chunks(clouds):
    bank, labels, queries = clouds
    whole = knn_scores(queries, bank, labels, 4, k=5)
    parts = knn_scores(queries, bank, labels, 4, k=5, max_elements=200)
    torch.testing.assert_close(whole, parts)


def test_no_feature_is_a_neighbour_of_itself(clouds):
    bank, labels, _ = clouds
    votes = knn_scores(
        bank, bank, labels, 4, k=5, max_elements=200, leave_one_out=True
    )
    for row in range(len(bank)):
        others = torch.arange(len(bank)) != row
        alone = knn_scores(
            bank[row : row + 1], bank[others], labels[others], 4, k=5
        )
        torch.testing.assert_close(votes[row : row + 1], alone)
    with pytest.raises(ValueError, match='k between 1 and 59'):
        knn_scores(bank, bank, labels, 4, k=60, leave_one_out=True)


def test_knn_survives_a_tiny_temperature(clouds):
    bank, labels, queries = clouds
    scores = knn_scores(
        queries.float(), bank.float(), labels, 4, k=5, temperature=1e-4
    )
    assert scores.isfinite().all()
    assert (scores.sum(1) >= 1).all()


@pytest.mark.parametrize('k', [0, 61])
def test_k_beyond_the_bank_is_an_error(clouds, k):
    bank, labels, queries = clouds
    with pytest.raises(ValueError, match=rf'k={k} .* bank of 60'):
        knn_scores(queries, bank, labels, 4, k=k)


@pytest.mark.parametrize('C', [0.1, 10.0])
def test_logistic_regression_is_sklearns(clouds, C):
    features, labels, _ = clouds
    weight, bias = fit_logistic_regression(
        features, labels, 4, C, tolerance=1e-9
    )
    reference = LogisticRegression(C=C, tol=1e-9, max_iter=1000)
    reference.fit(features, labels)
    # softmax is blind to a common shift, which sklearn leaves in the bias
    bias, expected = bias - bias.mean(), reference.intercept_
    np.testing.assert_allclose(weight, reference.coef_, atol=1e-5)
    np.testing.assert_allclose(bias, expected - expected.mean(), atol=1e-5)


def test_logistic_regression_is_deterministic_and_chunked(clouds):
    features, labels, _ = clouds
    first = fit_logistic_regression(features, labels, 4)
    again = fit_logistic_regression(features, labels, 4)
    parts = fit_logistic_regression(features, labels, 4, max_elements=40)
    for a, b, c in zip(first, again, parts, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, c, atol=1e-4, rtol=1e-3)


def test_logistic_regression_ignores_no_grad(clouds):
    features, labels, _ = clouds
    with torch.no_grad():
        weight, _ = fit_logistic_regression(features, labels, 4)
    assert weight.abs().sum() > 0
    assert not weight.requires_grad


def test_logistic_regression_rejects_bad_input(clouds):
    features, labels, _ = clouds
    with pytest.raises(ValueError, match='at least one feature'):
        fit_logistic_regression(features[:0], labels[:0], 4)
    with pytest.raises(ValueError, match='C must be positive, got -1'):
        fit_logistic_regression(features, labels, 4, C=-1)


def test_standardize_uses_the_training_statistics():
    train = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    test = torch.tensor([[4.0, 9.0]])
    train, test = standardize(train, test)
    root = 2**0.5
    torch.testing.assert_close(
        train, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]) / root
    )
    torch.testing.assert_close(test, torch.tensor([[2.0, 0.0]]) / root)


def test_center_and_normalize():
    train = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 3.0]])
    train, test = center_and_normalize(train, torch.tensor([[5.0, 5.0]]))
    torch.testing.assert_close(train.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(test, torch.tensor([[0.6, 0.8]]))


def brute_rank(query, gallery, relevant):
    """Position of the first right answer in the sorted gallery."""
    order = sorted(
        range(len(gallery)),
        key=lambda g: (
            -float(query @ gallery[g] / query.norm() / gallery[g].norm())
        ),
    )
    ranks = [i + 1 for i, g in enumerate(order) if relevant[g]]
    # right answers ahead of the best one do not exist, so this is its rank
    return min(ranks) if ranks else len(gallery) + 1


def test_ranks_are_those_of_a_sorted_list(clouds):
    bank, _, queries = clouds
    generator = torch.Generator().manual_seed(1)
    relevant = torch.rand(30, 60, generator=generator) < 0.05
    relevant[3] = False
    ranks = best_ranks(queries, bank, lambda rows: relevant[rows])
    parts = best_ranks(queries, bank, lambda rows: relevant[rows], 130)
    expected = [
        brute_rank(query, bank, row)
        for query, row in zip(queries, relevant, strict=True)
    ]
    assert ranks.tolist() == expected
    assert parts.tolist() == expected
    assert ranks[3] == 61


def test_collapsed_features_retrieve_nothing():
    same = torch.ones(5, 4)
    ranks = best_ranks(same, same, lambda rows: torch.eye(5).bool()[rows])
    assert ranks.tolist() == [5] * 5
    assert recall_at(ranks, (1, 4, 5)) == {1: 0, 4: 0, 5: 100}


def test_recall_counts_ranks():
    recalls = recall_at(torch.tensor([1, 2, 5, 9]), (1, 5, 10))
    assert recalls == {1: 25, 5: 75, 10: 100}


def test_chance_recall_is_the_mean_of_random_rankings():
    positives = torch.tensor([1, 3])
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(4000):
        order = torch.randperm(12, generator=generator)[:4]
        hits += int((order < 1).any()) + int((order < 3).any())
    assert chance_recall(positives, 12, 4) == pytest.approx(
        100 * hits / 8000, abs=1.5
    )
    # one right answer: k / N
    assert chance_recall(torch.ones(7), 50, 5) == pytest.approx(10)
    assert chance_recall(torch.tensor([2]), 3, 5) == pytest.approx(100)


def test_class_embeddings_average_over_templates():
    def encode(texts):
        return torch.tensor(
            [[float(len(t)), float(t.count('a'))] for t in texts]
        )

    got = class_embeddings(['a', 'bb'], ['{}', lambda c: f'a {c}'], encode)
    first = torch.nn.functional.normalize(encode(['a', 'a a']), dim=1).mean(0)
    torch.testing.assert_close(got[0], first / first.norm())
    torch.testing.assert_close(got.norm(dim=1), torch.ones(2))


def test_template_without_a_place_for_the_name():
    with pytest.raises(ValueError, match=r"'a photo' has no '\{\}'"):
        fill_templates('cat', ['a photo'])
    with pytest.raises(ValueError, match='at least one class name'):
        class_embeddings([], ['{}'], lambda texts: None)
