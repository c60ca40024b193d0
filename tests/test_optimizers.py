"""Schedules and averages of weights do what their names say."""

import keras
import numpy as np
import pytest

from cifar_utils.fast.optimizers import LinearRise, LookaheadSGD, Muon, orthogonalized


def test_rate_rises_in_a_line_and_then_follows_the_other_schedule():
    after = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
    rate = LinearRise(0.2, 4, after)
    np.testing.assert_allclose([rate(s) for s in (0, 2, 4, 9, 14)], [0.2, 0.6, 1, 0.5, 0])
    assert float(LinearRise.from_config(rate.get_config())(9)) == 0.5


def descend(optimizer, steps):
    """Weights after each step of minimising the half square of one number, from 1."""
    weight, path = keras.Variable([1.0]), []
    for _ in range(steps):
        optimizer.apply([weight + 0], [weight])
        path.append(float(weight[0]))
    return path


def test_lookahead_returns_to_its_slow_average_more_and_more():
    path = descend(LookaheadSGD(0.5, steps=4, every=2, hold=0.8), 4)
    slow = 0.1 * 1 + 0.9 * 0.25  # half way, a tenth is kept: 0.8 / 2**3
    end = 0.8 * slow + 0.2 * slow / 4
    np.testing.assert_allclose(path, [0.5, slow, slow / 2, end], rtol=1e-6)


def test_lookahead_that_holds_nothing_is_sgd():
    options = {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}
    held = descend(LookaheadSGD(steps=10, hold=0.0, **options), 10)
    np.testing.assert_allclose(held, descend(keras.optimizers.SGD(**options), 10), rtol=1e-6)


def test_lookahead_beyond_its_steps_holds_what_it_held_at_their_end():
    path = descend(LookaheadSGD(0.5, steps=1, every=1, hold=0.5), 8)
    np.testing.assert_allclose(path, 0.75 ** np.arange(1, 9), rtol=1e-6)


def test_lookahead_starts_from_the_first_weights_when_fit_builds_it():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = model.get_weights()
    model.compile(LookaheadSGD(0.0, steps=4, every=2, hold=0.8), "mse")
    model.fit(np.ones((4, 3)), np.zeros((4, 2)), 1, verbose=0)
    for first, last in zip(before, model.get_weights(), strict=True):
        np.testing.assert_allclose(last, first, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"steps": 5, "every": 0}, {"steps": 5, "hold": 2},
     {"steps": 5, "offset_rate": 0}],
)  # fmt: skip
def test_lookahead_refuses_what_is_no_average(wrong):
    with pytest.raises(ValueError, match="Expected steps and every of 1 at least, hold from"):
        LookaheadSGD(0.1, **wrong)


def test_lookahead_is_saved_with_its_model(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(LookaheadSGD(0.1, steps=20, every=3, hold=0.5), "mse")
    x, y = np.ones((4, 3)), np.zeros((4, 2))
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    model.reset_metrics()  # Keras 3.13 returns means over all batches so far
    for _ in range(4):
        losses = [a.train_on_batch(x, y) for a in (model, loaded)]
    assert losses[0] == pytest.approx(losses[1])
    assert loaded.optimizer.hold == 0.5


def test_offsets_of_normalisation_learn_faster_by_their_rate():
    optimizer = LookaheadSGD(0.1, steps=10, hold=0.0, offset_rate=64.0)
    kernel, offset = (keras.Variable([1.0], name=name) for name in ("kernel", "beta"))
    optimizer.apply([np.ones(1, "float32")] * 2, [kernel, offset])
    np.testing.assert_allclose([kernel[0], offset[0]], [1 - 0.1, 1 - 6.4], rtol=1e-6)
    assert LookaheadSGD.from_config(optimizer.get_config()).offset_rate == 64.0


def matrix(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (8, 8)])
def test_orthogonalized_keeps_the_directions_and_levels_the_strengths(shape):
    given = matrix(shape)
    left, strengths, right = np.linalg.svd(given, full_matrices=False)
    found = keras.ops.convert_to_numpy(orthogonalized(given, 3))
    rotated = left.T @ found @ right.T
    np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=1e-4)
    a, b, c = 3.4445, -4.7750, 2.0315
    values = strengths / np.linalg.norm(given)
    for _ in range(3):
        values = a * values + b * values**3 + c * values**5
    np.testing.assert_allclose(np.diag(rotated), values, atol=1e-4)


def test_muon_moves_kernels_of_convolutions_as_published_and_the_rest_as_sgd():
    kernel, dense, bias = matrix((3, 3, 8, 4)), matrix((5, 2)), matrix((4,))
    first = matrix((3, 3, 3, 4))  # of a convolution that sees colours
    arrays = {"kernel": kernel, "dense": dense, "bias": bias, "first": first}
    names = {"kernel": "kernel", "dense": "kernel", "bias": "bias", "first": "kernel"}
    ours, theirs = ([keras.Variable(a, name=names[n]) for n, a in arrays.items()] for _ in range(2))
    gradients = [matrix(a.shape, seed=1) for a in arrays.values()]
    options = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
    muon = Muon(0.5, steps=9, hold=0.0, kernel_rate=0.2, kernel_momentum=0.6, **options)
    sgd = keras.optimizers.SGD(0.5, **options)
    sgd.exclude_from_weight_decay(var_names=["bias"])
    expected, momentum = kernel, 0
    for _ in range(2):
        muon.apply(gradients, ours)
        sgd.apply(gradients, theirs)
        momentum = 0.6 * momentum + gradients[0]
        step = orthogonalized((gradients[0] + 0.6 * momentum).reshape(-1, 4))
        expected = expected * 2 / np.linalg.norm(expected)  # the root of four filters
        expected = expected - 0.1 * np.reshape(step, kernel.shape)
    np.testing.assert_allclose(ours[0], expected, atol=1e-5)
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_offsets_of_the_whitening_layer_learn_at_a_rate_of_their_own_that_falls_to_0():
    layer = keras.layers.Dense(1, name="whitening_conv")
    layer.build((None, 1))
    options = {"steps": 8, "hold": 0.0, "whitening_rate": 4.0, "whitening_steps": 2}
    optimizer, path = LookaheadSGD(0.1, **options), []
    for _ in range(4):
        optimizer.apply([np.ones(1, "float32")], [layer.bias])
        path.append(float(layer.bias[0]))
    np.testing.assert_allclose(path, [-4, -6, -6, -6])


@pytest.mark.parametrize("wrong", [{"kernel_rate": 0}, {"kernel_momentum": 1.0}])
def test_muon_refuses_rates_that_are_none(wrong):
    with pytest.raises(ValueError, match="Expected kernel_"):
        Muon(0.1, steps=5, **wrong)
