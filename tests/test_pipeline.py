"""Batches go through all images, in an order that follows from the seed and the epoch."""

import numpy as np
import pytest

from cifar_utils.fast.pipeline import training_batches

IMAGES = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), "uint8")
TARGETS = np.eye(10, dtype="float32")[np.arange(100) % 10]


def test_batches_of_too_few_images_are_refused():
    with pytest.raises(ValueError, match=r"least 101 training images, a batch. Received: 100"):
        next(training_batches(IMAGES, TARGETS, batch_size=101))


def test_batches_go_through_all_images_in_a_new_order_each_epoch():
    batches = training_batches(IMAGES, TARGETS, batch_size=20)
    epochs = [np.concatenate([next(batches)[0] for _ in range(5)]) for _ in range(2)]
    assert (epochs[0] != epochs[1]).any()
    for epoch in epochs:
        assert sorted(image.tobytes() for image in epoch) == sorted(
            image.tobytes() for image in IMAGES
        )


def test_stream_can_begin_with_any_epoch():
    batches = training_batches(IMAGES, TARGETS, batch_size=40, seed=3)
    first = [next(batches) for _ in range(4)][2:]  # two an epoch, what is left over left out
    later = training_batches(IMAGES, TARGETS, batch_size=40, seed=3, first_epoch=1)
    for expected in first:
        for a, b in zip(expected, next(later), strict=True):
            np.testing.assert_array_equal(a, b)


def test_mixup_blends_images_and_labels(set_precision):
    set_precision("mixed_bfloat16")  # which is not to matter
    images, labels = next(training_batches(IMAGES, TARGETS, batch_size=20, mixup=0.5))
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert ((labels > 0).sum(axis=1) == 2).any()
    assert images.dtype == np.float32 and images.min() >= 0 and images.max() <= 255
