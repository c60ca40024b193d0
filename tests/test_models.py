"""The networks are the published ones, of Keras' own layers, and take raw pixels."""

import keras
import numpy as np
import pytest

from cifar_utils.models import build_model, list_models

COUNTS = {  # trainable, frozen
    "linear": (30_730, 0),
    "plain_cnn": (308_394, 896),
    "dense_head_cnn": (2_491_838, 3_144),
    "valid_cnn": (296_394, 832),
    "residual_cnn": (2_333_962, 1_408),
    "resnet20": (269_722, 1_376),
    "plain20": (269_722, 1_376),
    "fast_cnn": (497_538, 1_152),
    "fast_cnn_large": (1_971_650, 2_304),
}
PLAIN_STAGES = [
    *[(32, 32, 32, 896), (32, 32, 32, 128), (32, 32, 32, 9_248), (32, 32, 32, 128)],
    *[(16, 16, 64, 18_496), (16, 16, 64, 256), (16, 16, 64, 36_928), (16, 16, 64, 256)],
    *[(8, 8, 128, 73_856), (8, 8, 128, 512), (8, 8, 128, 147_584), (8, 8, 128, 512)],
]
TABLES = {  # output shape and parameters of each layer that has any, as published
    "plain_cnn": [*PLAIN_STAGES, (10, 20_490)],
    "dense_head_cnn": [
        *PLAIN_STAGES,
        *[(1024, 2_098_176), (1024, 4_096), (100, 102_500), (100, 400), (10, 1_010)],
    ],
    "valid_cnn": [
        *[(30, 30, 32, 896), (30, 30, 32, 128)],
        *[(13, 13, 64, 18_496), (13, 13, 64, 256), (11, 11, 64, 36_928), (11, 11, 64, 256)],
        *[(4, 4, 128, 73_856), (4, 4, 128, 512), (2, 2, 128, 147_584), (2, 2, 128, 512)],
        *[(128, 16_512), (10, 1_290)],
    ],
}


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def size(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_every_listed_model_has_its_count_held_here():
    assert set(list_models()) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_the_published_ones(name):
    model = build_model(name)
    counts = size(model.trainable_weights), size(model.non_trainable_weights)
    assert counts == COUNTS[name]
    assert model.count_params() == sum(COUNTS[name])


@pytest.mark.parametrize("name", TABLES)
def test_layers_are_the_published_ones(name):
    layers = [layer for layer in build_model(name).layers if layer.count_params()]
    assert [(*layer.output.shape[1:], layer.count_params()) for layer in layers] == TABLES[name]


def test_maps_of_valid_cnn_shrink_as_published():
    layers = build_model("valid_cnn").layers
    maps = [x.output.shape[1] for x in layers if isinstance(x, keras.layers.Conv2D)]
    pools = [x.output.shape[1] for x in layers if isinstance(x, keras.layers.MaxPooling2D)]
    assert (maps, pools) == ([30, 13, 11, 4, 2], [15, 6, 1])


@pytest.mark.parametrize("name", COUNTS)
def test_model_is_uncompiled_and_turns_raw_pixels_into_logits(name, pixels):
    model = build_model(name)
    assert not model.compiled
    logits = keras.ops.convert_to_numpy(model(pixels))
    assert logits.shape == (4, 10) and logits.dtype == np.float32
    assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_array_equal(logits, model(pixels.astype("float32")))


@pytest.mark.parametrize("name", COUNTS)
def test_layers_are_kerass_own(name):
    layers = build_model(name, statistics=([0.5] * 3, [0.25] * 3)).layers
    assert all(type(layer).__module__.startswith("keras.") for layer in layers)


@pytest.mark.parametrize("name", COUNTS)
def test_network_for_other_images_and_classes(name):
    model = build_model(name, num_classes=3, input_shape=(40, 36, 1))
    assert (model.name, model.input.shape, model.output.shape) == (
        name, (None, 40, 36, 1), (None, 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [({"input_shape": (7, 7, 3)}, r"images large enough for fast_cnn. Received: .*\(7, 7, 3\)"),
     ({"input_shape": (32, 32)}, r"\(rows, columns, channels\). Received: \(32, 32\)"),
     ({"input_shape": 32}, "rows, columns, channels"), ({"input_shape": (32, 0, 3)}, "columns"),
     ({"num_classes": 1}, "num_classes.*2 or more"), ({"num_classes": 2.0}, "num_classes"),
     ({"activation": "rleu"}, "rleu"),
     ({"input_shape": (32, 32, 1), "statistics": ([0.5] * 3, [0.2] * 3)}, "each of 1 channels")],
)  # fmt: skip
def test_networks_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_model("fast_cnn", **options)


def test_logits_are_float32_under_mixed_precision(set_precision):
    set_precision("mixed_bfloat16")
    model = build_model("valid_cnn")
    assert model.output.dtype == "float32"
    assert model.get_layer("stage2_conv1").compute_dtype == "bfloat16"


def test_l2_penalises_every_convolution_and_adds_no_parameter():
    plain, penalised = build_model("plain_cnn"), build_model("plain_cnn", l2=1e-4)
    assert (len(plain.losses), len(penalised.losses)) == (0, 6)
    assert penalised.count_params() == plain.count_params()


def test_statistics_turn_pixels_into_z_scores(pixels):
    scaled = pixels / 255
    mean, std = scaled.mean(axis=(0, 1, 2)), scaled.std(axis=(0, 1, 2))
    layer = build_model("valid_cnn", statistics=(mean, std)).get_layer("scaling")
    z = keras.ops.convert_to_numpy(layer(pixels))
    np.testing.assert_allclose(z.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(axis=(0, 1, 2)), 1, atol=1e-4)


@pytest.mark.parametrize(
    "statistics",
    [
        *[([0.5] * 3, [0.0] * 3), ([0.5] * 2, [0.2] * 2), ([125.0] * 3, [63.0] * 3), ([0.5] * 3,)],
        *[([-0.1] * 3, [0.2] * 3), ([float("nan")] * 3, [float("nan")] * 3)],
    ],
    ids=["zero deviation", "two channels", "0 to 255", "no deviations", "below black", "NaN"],
)
def test_bad_statistics_are_refused(statistics):
    with pytest.raises(ValueError, match="Expected statistics as a mean and a positive"):
        build_model("plain_cnn", statistics=statistics)


def test_unknown_name_is_answered_with_the_near_ones():
    with pytest.raises(ValueError, match=r"Received: 'valid_cn'. Did you mean 'valid_cnn'"):
        build_model("valid_cn")
    with pytest.raises(ValueError, match="Expected a model of"):
        build_model(None)


def test_residual_blocks_add_their_input(pixels):
    model = build_model("residual_cnn")
    adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert [layer.output.shape[-1] for layer in adds] == [128, 256, 256]
    names = {layer.name for layer in model.layers}
    assert {"stage2_block1_projection", "stage3_block1_projection"} <= names
    assert "stage3_block2_projection" not in names  # the width stays: the input itself is added


def test_shortcuts_of_resnet20_have_no_parameters_and_plain20_none_at_all(pixels):
    layers = {name: build_model(name).layers for name in ("resnet20", "plain20")}
    adds = {
        name: sum(isinstance(layer, keras.layers.Add) for layer in found)
        for name, found in layers.items()
    }
    assert adds == {"resnet20": 9, "plain20": 0}
    convolutions = [x for x in layers["resnet20"] if isinstance(x, keras.layers.Conv2D)]
    assert len(convolutions) == 19  # and the dense layer makes twenty


def test_momentum_of_the_moving_averages_can_be_chosen():
    norms = [
        layer.momentum
        for layer in build_model("residual_cnn", bn_momentum=0.99).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert norms == [0.99] * 4


@pytest.mark.parametrize("shape", [(2, 28, 28, 3), (32, 32, 3), (2, 3, 32, 32), (2, 32, 32, 1)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"expected (shape=\(None, 32, 32, 3\)|axis -1 .* value 3)"
    ):
        build_model("fast_cnn")(np.zeros(shape, "uint8"))


def test_dropout_rates_may_be_an_array():
    rates = np.array([0.1, 0.2, 0.3])
    layers = build_model("plain_cnn", dropout=rates).layers
    assert [a.rate for a in layers if isinstance(a, keras.layers.Dropout)] == rates.tolist()


def test_dropout_of_a_residual_network_is_one_rate():
    with pytest.raises(ValueError, match=r"Expected a dropout rate .*below 1. Received: 1.0"):
        build_model("residual_cnn", dropout=1.0)


@pytest.mark.parametrize("name", ["plain_cnn", "valid_cnn", "dense_head_cnn"])
@pytest.mark.parametrize("dropout", [(0.1,), (0.1,) * 5, 0.1])
def test_other_numbers_of_dropout_rates_are_refused(name, dropout):
    with pytest.raises(ValueError, match=r"Expected (3|4) dropout rate\(s\)"):
        build_model(name, dropout=dropout)


def test_counts_may_be_numpys():
    model = build_model("valid_cnn", num_classes=np.int64(3), input_shape=[np.int32(40), 36, 1])
    assert model.input_shape == (None, 40, 36, 1) and model.output_shape == (None, 3)


@pytest.mark.parametrize("name", ["plain_cnn", "plain20", "fast_cnn"])
def test_no_global_setting_of_keras_decides_what_a_network_is(name, pixels):
    wanted = build_model(name)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    try:
        model = build_model(name)
        assert keras.config.image_data_format() == "channels_first"
        assert keras.config.floatx() == "float64"
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
    model.set_weights(wanted.get_weights())
    np.testing.assert_array_equal(model(pixels), wanted(pixels))
    assert {w.dtype for w in model.weights} == {w.dtype for w in wanted.weights}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"droput": 0.1}, "options that plain_cnn has.*droput"), ({"l2": -1}, "l2 .*-1"),
     ({"bn_momentum": 1.0}, "bn_momentum .*1.0"), ({"l2": "a"}, "l2 .*'a'"),
     ({"dropout": ("a", 0, 0)}, "dropout"), ({"statistics": (0.5, 0.2)}, "statistics"),
     ({"statistics": "ab"}, "statistics")],
)  # fmt: skip
def test_options_that_a_network_cannot_have_are_refused(options, message):
    with pytest.raises(ValueError, match=rf"Expected .*{message}"):
        build_model("plain_cnn", **options)
