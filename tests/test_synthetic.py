"""The stand-in is seeded, balanced, quick to tell from noise and hard enough to teach."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
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


def test_small_network_learns_it_and_confuses_cat_and_dog(drawn):
    (x, y), (x_new, y_new) = drawn
    keras.utils.set_random_seed(0)
    order = tf.data.Dataset.range(len(x)).shuffle(len(x), seed=0).batch(64, drop_remainder=True)
    options = tf.data.Options()
    options.autotune.enabled = False
    batches = order.map(lambda i: (tf.gather(x, i), tf.gather(y, i))).with_options(options)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.AveragePooling2D(2),  # so that it takes seconds
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss=loss)
    model.fit(batches, epochs=4, verbose=0, shuffle=False)
    y_pred = model.predict(x_new, batch_size=500, verbose=0).argmax(axis=1)

    def confused(one, other):
        a, b = CLASS_NAMES.index(one), CLASS_NAMES.index(other)
        return np.sum((y_new == a) & (y_pred == b)) + np.sum((y_new == b) & (y_pred == a))

    assert np.mean(y_pred == y_new) >= 0.85
    assert confused("cat", "dog") > confused("ship", "frog")
