"""Random transforms of training images, drawn anew for every image, as Keras layers.

All take raw pixels from 0 to 255, work inside a model and, on the TensorFlow backend, in
``tf.data``, and do nothing at inference. Keras has correct layers for most of them;
:func:`build_augmentation` sets those up. It lacks a crop whose offset is drawn per image
(``RandomCrop`` draws one a batch, and at 32 x 32 crops nothing) and flips that alternate by
epoch: :class:`PadCropFlip` does both.
"""

from collections.abc import Iterable, Sequence

import keras
from keras import ops

from cifar_utils.checks import (
    check_choice,
    check_count,
    check_input_shape,
    check_number,
    check_seed,
    expected,
)

MEAN_COLOUR = (125.0, 123.0, 114.0)  # of CIFAR-10's training images, what cutout fills with


@keras.saving.register_keras_serializable("cifar_utils")
class PadCropFlip(keras.layers.Layer):
    """Shift each image by whole pixels, mirrored at its borders, and flip it or not.

    The same as padding by reflection and cropping at random, without making the
    padded images: the layer computes where each pixel comes from and collects them.
    It takes images of shape (n, height, width, channels), any dtype and range, and keeps
    all three.

    Parameters
    ----------
    padding : int
        Largest shift, in pixels, to each side. At least 0, less than the image's sides.
    flip : {"random", "alternating", "none"}
        Left-right flips. ``"random"`` flips half of the images, drawn each time.
        ``"alternating"`` flips an image in every second epoch: half of the images in
        the even epochs, the others in the odd ones, so that two epochs show each image
        both ways. Which half an image belongs to is the parity of the sum of its
        pixels, so they must not have been changed at random before. Which epoch it is,
        the layer has to be told: by ``callbacks=[AlternateFlips(layer)]`` in ``fit`` (without
        it, the same half is flipped in every epoch). ``training.train`` does it.
    seed : int, optional
    **kwargs
        As for ``keras.layers.Layer``.

    Raises
    ------
    ValueError
        If the padding is no whole number from 0, there is no such way to flip, or, when the
        layer is first called, the images have another shape or sides no larger than the padding.

    References
    ----------
    K. Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024,
    arXiv:2404.00498 (alternating flip).

    Examples
    --------
    >>> layer = PadCropFlip(padding=4, seed=0)
    >>> images = keras.random.uniform((2, 32, 32, 3), 0, 255, seed=0)
    >>> layer(images, training=True).shape == images.shape
    True
    >>> bool(ops.all(layer(images, training=False) == images))
    True
    """

    def __init__(self, padding: int = 4, flip: str = "random", seed: int | None = None, **kwargs):
        super().__init__(autocast=False, **kwargs)  # whatever Keras' policy, pixels stay pixels
        self.padding = check_count("padding", padding, lowest=0)
        self.flip = check_choice("flip", flip, ("random", "alternating", "none"))
        self.seed = None if seed is None else check_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        # Not int32: TensorFlow keeps such variables in host memory, out of reach of XLA on a GPU.
        self.epoch = self.add_weight(
            shape=(), dtype="int", initializer="zeros", trainable=False, name="epoch"
        )

    def build(self, input_shape):
        if (
            len(input_shape) != 4
            or None in input_shape[1:]
            or min(input_shape[1:3]) <= self.padding
        ):
            raise expected(
                "images of shape (n, height, width, channels) whose sides are larger than "
                f"padding={self.padding}",
                f"shape {tuple(input_shape)}",
            )

    def call(self, images, training=None):
        if not training:
            return images
        count = ops.shape(images)[0]
        height, width, channels = images.shape[1:]
        rows = self._shifted(count, height)
        columns = self._shifted(count, width)
        flipped = self._flipped(images, count)
        columns = ops.where(flipped[:, None], columns[:, ::-1], columns)
        first = ops.arange(count, dtype="int32")[:, None] * height
        source = (first + rows)[:, :, None] * width + columns[:, None, :]
        pixels = ops.take(ops.reshape(images, (-1, channels)), source, axis=0)
        return ops.reshape(pixels, (-1, height, width, channels))

    def _shifted(self, count, size: int):
        """Which of `size` pixels stands at each place after a random shift, per image."""
        shift = keras.random.randint(
            (count, 1), -self.padding, self.padding + 1, seed=self.seed_generator
        )
        places = ops.abs(ops.arange(size, dtype="int32")[None, :] + shift)
        return size - 1 - ops.abs(size - 1 - places)

    def _flipped(self, images, count):
        """Which of the images to flip, as booleans."""
        if self.flip == "random":
            return keras.random.uniform((count,), dtype="float32", seed=self.seed_generator) < 0.5
        if self.flip == "none":
            return ops.zeros((count,), dtype="bool")
        if "int" not in keras.backend.standardize_dtype(images.dtype):
            images = ops.cast(images, "float32")
            largest = ops.max(ops.abs(images), axis=(1, 2, 3), keepdims=True)
            # Pixels that were scaled, to 0 to 1 for example, need some digits to tell them apart.
            images = ops.round(ops.where(largest <= 1, 1_000 * images, images))
        sums = ops.sum(ops.cast(images, "int32"), axis=(1, 2, 3))
        return (sums + ops.cast(self.epoch, "int32")) % 2 == 1

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"padding": self.padding, "flip": self.flip, "seed": self.seed}
        return super().get_config() | own


class AlternateFlips(keras.callbacks.Callback):
    """Tell flips that alternate by epoch which epoch it is. Give it to ``fit``.

    Parameters
    ----------
    augmentation : keras.Layer or keras.Model
        A :class:`PadCropFlip`, or a model with such layers, as :func:`build_augmentation`
        makes them; whether it works inside the network or in ``tf.data``.

    Raises
    ------
    ValueError
        If there is no such layer.

    Examples
    --------
    >>> augmentation = build_augmentation([("crop_alternating_flip", 2)])
    >>> callback = AlternateFlips(augmentation)
    >>> callback.on_epoch_begin(3)  # which fit does
    >>> int(callback.layers[0].epoch)
    3
    """

    def __init__(self, augmentation: keras.Layer):
        super().__init__()
        inner = augmentation._flatten_layers() if isinstance(augmentation, keras.Layer) else ()
        crops = [layer for layer in inner if isinstance(layer, PadCropFlip)]
        self.layers = [layer for layer in crops if layer.flip == "alternating"]
        if not self.layers:
            wanted = "a PadCropFlip layer whose flips alternate, or a model with one"
            raise expected(wanted, repr(augmentation))

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.layers:
            layer.epoch.assign(epoch)


# Names, in which unit their amounts are, and the largest one.
TRANSFORMS = {
    "crop": ("pixels", float("inf")),
    "crop_flip": ("pixels", float("inf")),
    "crop_alternating_flip": ("pixels", float("inf")),
    "flip": ("ignored", float("inf")),
    "rotation": ("degrees", 180.0),
    "shift": ("share of the side", 1.0),
    "cutout": ("share of the side", 1.0),
}


def check_transforms(
    transforms: Iterable[tuple[str, float]],
) -> tuple[tuple[str, float], ...]:
    """Transforms as pairs of a known name and an amount in its unit; else ValueError."""
    wanted = "transforms as (name, amount) pairs"
    if isinstance(transforms, (str, bytes)) or not isinstance(transforms, Iterable):
        raise expected(wanted, repr(transforms))
    checked = []
    for transform in transforms:
        if not isinstance(transform, (tuple, list)) or len(transform) != 2:
            name = transform if isinstance(transform, str) else "crop_flip"
            raise expected(wanted, repr(transform), f"For example [({name!r}, 4)].")
        name, amount = transform
        check_choice("transform", name, TRANSFORMS)
        unit, most = TRANSFORMS[name]
        check_number(f"the amount of {name!r} ({unit})", amount, 0, most)
        if unit == "pixels" and amount != int(amount):
            raise expected("a crop by whole pixels", repr(amount))
        if checked and name == "crop_alternating_flip":
            raise expected(
                "'crop_alternating_flip' as the first transform, for it knows images by their "
                "pixels",
                f"{checked[0][0]!r} before it",
            )
        checked.append((name, float(amount)))
    return tuple(checked)


def build_augmentation(
    transforms: Sequence[tuple[str, float]],
    seed: int | None = None,
    input_shape: tuple[int, int, int] = (32, 32, 3),
) -> keras.Sequential:
    """Chain random transforms to one layer.

    Parameters
    ----------
    transforms : sequence of (name, amount)
        In their order. Names and what the amount means: ``"crop"``, ``"crop_flip"`` and
        ``"crop_alternating_flip"`` (largest shift in pixels), ``"flip"`` (ignored),
        ``"rotation"`` (largest angle in degrees), ``"shift"`` (largest shift as a share
        of the side, between pixels too, so it blurs), ``"cutout"`` (side of the erased
        square as a share of the image's side). Flips that alternate need
        :class:`AlternateFlips` among the callbacks of your ``fit``. Mixup changes labels as
        well: use ``keras.layers.MixUp`` on batches with one-hot labels.
    seed : int, optional
        Each layer is given a seed of its own that follows from it.
    input_shape : (rows, columns, channels)
        Of the images.

    Returns
    -------
    keras.Sequential
        Takes pixels from 0 to 255, shape ``(n, *input_shape)``, and returns them as float32.

    Raises
    ------
    ValueError
        If there is no transform of a name, an amount is out of its range, or a flip that
        alternates is not the first transform.

    Examples
    --------
    >>> [layer.name for layer in build_augmentation([("flip", 0), ("rotation", 15)]).layers]
    ['flip', 'rotation']
    """
    input_shape = check_input_shape(input_shape)
    seed = None if seed is None else check_seed(seed)
    layers = []
    names = []
    for i, (name, amount) in enumerate(check_transforms(transforms)):
        # Of Keras' global settings, none decides what becomes of the pixels.
        options = {"name": f"{name}_{i}" if name in names else name, "dtype": "float32"}
        names.append(name)
        options["seed"] = None if seed is None else (1000 * seed + i) % 2**32
        layer = _layer(name, amount, input_shape[2], options)
        # Keras keeps some from being compiled, which only TensorFlow asks; JAX would then compile
        # nothing of the network that they are in, and take a hundred times as long.
        layer.supports_jit |= keras.backend.backend() == "jax"
        layers.append(layer)
    layers = layers or [keras.layers.Identity()]  # an empty Sequential is not built
    inputs = keras.Input(input_shape, dtype="float32")
    return keras.Sequential([inputs, *layers], name="augmentation")


def _layer(name: str, amount: float, channels: int, options: dict) -> keras.Layer:
    flips = {"crop": "none", "crop_flip": "random", "crop_alternating_flip": "alternating"}
    if name in flips:
        return PadCropFlip(int(amount), flips[name], **options)
    options["data_format"] = "channels_last"
    if name == "flip":
        return keras.layers.RandomFlip("horizontal", **options)
    if name == "rotation":
        return keras.layers.RandomRotation(amount / 360, fill_mode="nearest", **options)
    if name == "shift":
        return keras.layers.RandomTranslation(amount, amount, fill_mode="nearest", **options)
    area, fill = (amount**2, amount**2), MEAN_COLOUR if channels == 3 else 122.0
    return keras.layers.RandomErasing((1.0, 1.0), scale=area, fill_value=fill, **options)
