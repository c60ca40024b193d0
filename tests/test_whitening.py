"""First weights from the images: a whitening convolution, then identities."""

import keras
import numpy as np
import pytest

from cifar_utils.dataset.synthetic import draw_images
from cifar_utils.fast.whitening import initialize, whitening_filters
from cifar_utils.models import build_model


@pytest.fixture(scope="module")
def images():
    return draw_images(400, seed=0)[0]


def convolutions(model):
    return [a for a in model.layers if isinstance(a, keras.layers.Conv2D)]


def test_filters_make_uncorrelated_outputs_of_variance_one(images):
    scaled = images / 255
    filters = whitening_filters(scaled, 2)
    assert filters.shape == (2, 2, 3, 12)
    outputs = np.asarray(keras.ops.conv(scaled.astype("float32"), filters.astype("float32"), 2))
    outputs = outputs.reshape(-1, 12)
    moments = outputs.T @ outputs / len(outputs)
    flat = filters.reshape(12, 12)
    assert (flat[abs(flat).argmax(axis=0), range(12)] > 0).all()  # so, on every machine
    strong = np.diag(moments) > 0.9  # the rest is held down by epsilon
    assert strong[0] and strong.sum() >= 4
    np.testing.assert_allclose(moments[strong][:, strong], np.eye(strong.sum()), atol=0.15)


def test_first_convolution_holds_the_strongest_patterns_and_their_negatives(images):
    model = build_model("plain_cnn", statistics=([0.5] * 3, [0.25] * 3))
    initialize(model, images)
    kernel = convolutions(model)[0].kernel.numpy()
    np.testing.assert_array_equal(kernel[..., :16], -kernel[..., 16:])
    scaled = (images / 255 - 0.5) / 0.25
    expected = whitening_filters(scaled, 3)[..., :16]
    np.testing.assert_allclose(np.abs(kernel[..., :16]), np.abs(expected), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("name", "frozen"), [("fast_cnn", 288 + 24), ("plain_cnn", 0)])
def test_layer_that_only_whitens_is_frozen(name, frozen, images):
    model = build_model(name)
    before = sum(weight.numpy().size for weight in model.trainable_weights)
    initialize(model, images)
    after = sum(weight.numpy().size for weight in model.trainable_weights)
    assert before - after == frozen


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_filters_are_the_same_under_half_precision(precision, images, set_precision):
    kernels = []
    for policy in ("float32", precision):
        set_precision(policy)
        model = build_model("plain_cnn", statistics=([0.5] * 3, [0.25] * 3))
        set_precision("float32")
        initialize(model, images)
        kernels.append(np.abs(convolutions(model)[0].kernel.numpy()))  # signs are by chance
    np.testing.assert_allclose(kernels[1][..., :6], kernels[0][..., :6], atol=0.02)


def test_later_convolutions_pass_on_what_they_get(images):
    model = build_model("valid_cnn")
    before = [a.kernel.numpy() for a in convolutions(model)]
    initialize(model, images)
    maps = np.random.default_rng(0).normal(size=(2, 13, 13, 32)).astype("float32")
    wider = model.get_layer("stage2_conv1")  # from 32 channels to 64
    outputs = np.asarray(keras.ops.conv(maps, wider.kernel))
    np.testing.assert_allclose(outputs[..., :32], maps[:, 1:-1, 1:-1], rtol=1e-6)
    np.testing.assert_array_equal(wider.kernel[..., 32:], before[1][..., 32:])


def test_projections_stay_as_they_are(images):
    model = build_model("residual_cnn")
    projection = model.get_layer("stage2_block1_projection")
    before = projection.kernel.numpy()
    initialize(model, images)
    np.testing.assert_array_equal(projection.kernel, before)
