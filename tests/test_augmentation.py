"""Random transforms change every image on its own in training, and none at inference."""

import keras
import numpy as np
import pytest

from cifar_utils.augmentation import AlternateFlips, PadCropFlip, build_augmentation
from cifar_utils.dataset.synthetic import draw_images

TRANSFORMS = {
    "crop": 4, "crop_flip": 4, "crop_alternating_flip": 4, "flip": 0,
    "rotation": 15, "shift": 0.1, "cutout": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return draw_images(70, seed=0)[0][:64]


def transformed(layer, images):
    return keras.ops.convert_to_numpy(layer(images, training=True))


def windows(image, padding):
    """All images that padding by reflection and cropping can give."""
    padded = np.pad(image, [(padding, padding)] * 2 + [(0, 0)], mode="reflect")
    return [
        padded[top : top + 32, left : left + 32]
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    ]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform_changes_images_in_training_and_not_at_inference(name, images):
    layer = build_augmentation([(name, TRANSFORMS[name])], seed=0)
    np.testing.assert_array_equal(layer(images, training=False), images)
    np.testing.assert_array_equal(layer.predict(images, verbose=0), images)
    result = transformed(layer, images)
    assert result.shape == images.shape and result.min() >= 0 and result.max() <= 255
    assert (result != images).any(axis=(1, 2, 3)).sum() >= 20


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_image_gets_its_own_transform(name, images):
    same = np.repeat(images[:1], 64, axis=0)
    result = transformed(build_augmentation([(name, TRANSFORMS[name])], seed=0), same)
    distinct = len(np.unique(result.reshape(64, -1), axis=0))
    # The parity of an alternating flip hangs on the image, so only the crops differ.
    assert distinct == 2 if name == "flip" else distinct >= 10


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform_works_in_tf_data(name, images):
    tf = pytest.importorskip("tensorflow")
    layer = build_augmentation([(name, TRANSFORMS[name])], seed=0)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(32)
    batches = [b.numpy() for b in dataset.map(lambda x: layer(x, training=True))]
    assert [b.shape for b in batches] == [(32, 32, 32, 3)] * 2
    assert (np.concatenate(batches) != images).any()


@pytest.mark.parametrize("padding", [0, 2, 4])
def test_crops_are_windows_of_the_image_padded_by_reflection(padding, images):
    result = transformed(PadCropFlip(padding, "none", seed=0), images)
    assert result.dtype == np.uint8
    for image, crop in zip(images[:16], result[:16], strict=True):
        assert any(np.array_equal(crop, window) for window in windows(image, padding))


def test_every_offset_occurs():
    rows, columns = np.meshgrid(*(np.arange(32, dtype=np.uint8),) * 2, indexing="ij")
    image = np.stack([rows, columns, columns], axis=-1)
    batch = np.repeat(image[None], 2_000, axis=0)
    centres = transformed(PadCropFlip(4, "none", seed=0), batch)[:, 16, 16, :2]
    offsets = {(i, j) for i in range(12, 21) for j in range(12, 21)}
    assert {tuple(map(int, centre)) for centre in centres} == offsets


def test_random_flips_hit_half_of_the_images(images):
    result = transformed(PadCropFlip(0, "random", seed=1), np.tile(images, (8, 1, 1, 1)))
    flipped = [
        np.array_equal(a, b[:, ::-1])
        for a, b in zip(result, np.tile(images, (8, 1, 1, 1)), strict=False)
    ]
    assert 0.42 < np.mean(flipped) < 0.58


@pytest.mark.parametrize("name", TRANSFORMS)
def test_no_variable_is_out_of_reach_of_xla_on_a_gpu(name):
    # TensorFlow keeps int32 variables in host memory, and a compiled step can't read them there.
    layer = build_augmentation([(name, TRANSFORMS[name])], seed=0)
    assert "int32" not in {variable.dtype for variable in layer.variables}


def test_alternating_flips_show_each_image_both_ways_in_two_epochs(images):
    layer = PadCropFlip(0, "alternating")
    even = transformed(layer, images)
    layer.epoch.assign(1)
    odd = transformed(layer, images)
    np.testing.assert_array_equal(even, odd[:, :, ::-1])
    assert 0.3 < np.mean([np.array_equal(a, b) for a, b in zip(even, images, strict=False)]) < 0.7
    layer.epoch.assign(2)
    np.testing.assert_array_equal(transformed(layer, images), even)


@pytest.mark.parametrize(
    "scale",
    [
        lambda x: x / 255,
        lambda x: x / 127.5 - 1,
        lambda x: x / 60 - 2,
        lambda x: x.astype("f2"),
    ],
    ids=["0 to 1", "-1 to 1", "z-scores", "float16"],
)
def test_alternating_flips_hit_half_of_the_images_in_any_range(scale, images):
    pixels = np.asarray(scale(images.astype("float32")))
    layer = PadCropFlip(0, "alternating")
    even = transformed(layer, pixels)
    assert even.dtype == pixels.dtype
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(even, pixels, strict=True)]
    assert 0.25 < np.mean(flipped) < 0.75


@pytest.mark.parametrize("inside", [True, False], ids=["in the network", "in tf.data"])
def test_flips_alternate_in_ones_own_fit_by_their_callback(inside, images):
    tf = pytest.importorskip("tensorflow")
    augmentation = build_augmentation([("crop_alternating_flip", 0)])
    seen = []

    class Look(keras.layers.Layer):
        def call(self, x):
            seen.append(keras.ops.convert_to_numpy(x))
            return x

    head = [Look(), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(2)]
    model = keras.Sequential([augmentation, *head] if inside else head)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(), run_eagerly=True)
    batches = tf.data.Dataset.from_tensors((images.astype("float32"), np.zeros(64)))
    if not inside:
        batches = batches.map(lambda x, y: (augmentation(x, training=True), y))
    seen.clear()
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=[AlternateFlips(augmentation)])
    even, odd = seen[-2:]
    np.testing.assert_array_equal(even, odd[:, :, ::-1])
    for other in (keras.layers.Identity(), build_augmentation([("crop_flip", 3)])):
        with pytest.raises(ValueError, match="whose flips alternate, or a model with one"):
            AlternateFlips(other)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_no_global_setting_of_keras_decides_what_becomes_of_pixels(name, images, set_precision):
    plain = transformed(build_augmentation([(name, TRANSFORMS[name])], seed=1), images)
    set_precision("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    if name.startswith("crop"):  # Keras' own layers draw their numbers in this type
        keras.config.set_floatx("float64")
    try:
        result = transformed(build_augmentation([(name, TRANSFORMS[name])], seed=1), images)
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
    np.testing.assert_array_equal(result, plain)
    assert result.dtype == plain.dtype == np.float32


def test_layer_keeps_the_type_of_its_images(images, set_precision):
    set_precision("mixed_bfloat16")
    for dtype in ("uint8", "int32", "float16", "float32", "float64"):
        assert transformed(PadCropFlip(2, seed=0), images.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("shape", [(48, 40, 3), (20, 20, 1)])
def test_images_may_have_other_sizes_and_be_grey(shape):
    layer = build_augmentation([("crop_flip", 4), ("cutout", 0.5)], 0, shape)
    pixels = np.full((8, *shape), 7, "uint8")
    result = transformed(layer, pixels)
    assert result.shape == pixels.shape and (result != 7).any(axis=(1, 2, 3)).all()


def test_the_same_seed_gives_the_same_transforms(images):
    first, again, other = (
        transformed(build_augmentation([("crop_flip", 4)], seed=seed), images) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_layer_survives_a_file(tmp_path, images):
    model = keras.Sequential([keras.Input((32, 32, 3)), PadCropFlip(3, "alternating", seed=5)])
    model.save(tmp_path / "model.keras")
    layer = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    assert (layer.padding, layer.flip, layer.seed) == (3, "alternating", 5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PadCropFlip(-1), "Expected padding to be a whole number, 0 or more. Received: -1"),
        (lambda: PadCropFlip(4, "vertical"), "Received: 'vertical'"),
        (lambda: PadCropFlip(4)(np.zeros((2, 4, 4, 3))), r"padding=4. Received: shape \(2, 4, 4"),
        (lambda: build_augmentation([("turn", 3)]), "Expected a transform of.*Received: 'turn'"),
        (lambda: build_augmentation(["flip"]), r"\(name, amount\) pairs. Received: 'flip'"),
        (lambda: build_augmentation("flip"), r"pairs. Received: 'flip'"),
        (
            lambda: build_augmentation([("crop_flip",)]),
            r"pairs.*For example \[\('crop_flip', 4\)\]",
        ),
        (lambda: build_augmentation([("rotation", 270)]), r"degrees\) as a number.*180"),
        (lambda: build_augmentation([("shift", "0.1")]), "as a number from 0 to 1.*'0.1'"),
        (lambda: build_augmentation([], seed=-1), "seed .*Received: -1"),
        (lambda: build_augmentation([], seed=0.5), "seed .*Received: 0.5"),
        (lambda: build_augmentation([], 0, (32, 32)), "input_shape as"),
    ],
)
def test_bad_arguments_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("amount", [0.125, 1.7])
def test_crop_by_a_share_or_a_fraction_of_a_pixel_is_refused(amount):
    with pytest.raises(ValueError, match=f"by whole pixels. Received: {amount}"):
        build_augmentation([("crop_flip", amount)])


def test_flip_that_alternates_must_see_the_images_first():
    with pytest.raises(ValueError, match=r"as the first transform.* Received: 'rotation'"):
        build_augmentation([("rotation", 5), ("crop_alternating_flip", 2)])
