"""Building blocks of the networks: what several of them have in common."""

from collections.abc import Sequence

import keras
from keras import layers

from cifar_utils.layers import FusedBatchNormalization

IMAGE_SHAPE = (32, 32, 3)
NUM_CLASSES = 10

Statistics = tuple[Sequence[float], Sequence[float]]


def scaled_input(statistics: Statistics | None):
    """The model's input and the layer that scales it to [0, 1] or to z-scores."""
    inputs = keras.Input(IMAGE_SHAPE, name="pixels")
    if statistics is None:
        return inputs, layers.Rescaling(1 / 255, name="scaling")(inputs)
    parts = [[float(value) for value in part] for part in statistics]
    in_range = [0 <= m <= 1 for m in parts[0]] + [0 < s <= 1 for s in parts[-1]]
    if [len(part) for part in parts] != [3, 3] or not all(in_range):
        raise ValueError(
            "Expected statistics as three means and three positive deviations on the scale "
            f"from 0 to 1. Received: {statistics!r}."
        )
    mean, std = parts
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    return inputs, layers.Rescaling(scale, offset, name="scaling")(inputs)


def conv(x, width: int, name: str, *, activation=None, padding: str = "same", l2: float = 0.0):
    penalty = keras.regularizers.L2(l2) if l2 else None
    return layers.Conv2D(
        width, 3, padding=padding, activation=activation, kernel_regularizer=penalty, name=name
    )(x)


def batch_norm(x, name: str, momentum: float, **options):
    return FusedBatchNormalization(momentum=momentum, name=name, **options)(x)


def residual_block(x, width: int, name: str, bn_momentum: float):
    """Two convolutions and a way around them, added, then normalised."""
    shortcut = x
    if x.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, name=f"{name}_projection")(x)
    x = conv(x, width, f"{name}_conv1", activation="relu")
    x = conv(x, width, f"{name}_conv2", activation="relu")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return batch_norm(x, f"{name}_bn", bn_momentum)


def logits(x):
    # float32 also under mixed precision: a loss needs the digits.
    return layers.Dense(NUM_CLASSES, dtype="float32", name="logits")(x)
