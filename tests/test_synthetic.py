"""The stand-in is seeded, balanced, quick to tell from noise and hard enough to teach."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from cifar_utils.data import CLASS_NAMES
from cifar_utils.dataset.synthetic import SHAPES, draw_images


@pytest.fixture(scope="module")
def drawn():
    return draw_images(6_000, seed=0), draw_images(1_000, seed=1)


def vectors(images):
    return images.reshape(len(images), -1).astype("float32") / 255


def test_shapes_are_cifar10s_classes_in_order():
    assert tuple(SHAPES) == CLASS_NAMES


def test_same_seed_draws_the_same_images_and_another_seed_others():
    (x, y), (again, labels), (other, _) = (draw_images(50, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, labels)
    assert not np.array_equal(x, other)


def test_images_look_like_cifar10s(drawn):
    (x, y), _ = drawn
    assert x.shape == (6_000, 32, 32, 3) and x.dtype == np.uint8 and y.dtype == np.int64
    assert np.bincount(y).tolist() == [600] * 10
    assert np.any(y[:100] != np.sort(y[:100]))  # not class after class


@pytest.mark.parametrize("count", [0, -10, 5, 10.0, "10"])
def test_counts_are_multiples_of_ten(count):
    with pytest.raises(ValueError, match=r"Expected count .*Received"):
        draw_images(count)


def test_pixels_alone_do_not_solve_it(drawn):
    (x, y), (x_new, y_new) = drawn
    x, y = vectors(x[:2_000]), y[:2_000]
    neighbour = KNeighborsClassifier(1).fit(x, y).score(vectors(x_new), y_new)
    with warnings.catch_warnings():  # ten steps are enough, and quick
        warnings.simplefilter("ignore", ConvergenceWarning)
        logistic = LogisticRegression(C=0.1, max_iter=10).fit(x, y).score(vectors(x_new), y_new)
    assert 0.15 < neighbour <= 0.6
    assert 0.15 < logistic <= 0.7
