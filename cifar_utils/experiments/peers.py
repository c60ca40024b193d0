"""Who takes part in the bench: ways to train, to transform and to load, ours and others'.

Training and augmentation are fed with noise: their speed does not depend on what the
pictures show. Each measurement imports what it needs by itself, since it has a process of
its own.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

BATCH = 256
EPOCHS = 2
NETWORK = "fast_cnn"
ALL_IMAGES = 45_000  # of whole recipes
UNITS = {"recipes": "s"}  # of the groups that are not measured in images a second


@dataclass(frozen=True)
class Contestant:
    """One way of doing something, and the setting of its process.

    ``measure(images)`` returns a figure in the unit of its group, or nothing if it can't be
    done here. The first contestant of a group is ours.
    """

    group: str
    label: str
    measure: Callable[[int], float | None]
    environment: dict = field(default_factory=dict)
    needs: str | None = None  # a package that may be absent


def noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many images of random pixels, uint8 (n, 32, 32, 3), and their random labels, (n,)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 32, 32, 3), "uint8"), rng.integers(0, 10, count)


def _train(images: int, name: str, **changes):
    """A recipe of ours on whole epochs, augmentation and weight average included."""
    from cifar_utils.data import CLASS_NAMES, ImageData
    from cifar_utils.recipes import RECIPES
    from cifar_utils.training import train

    x, y = noise(images)
    data = ImageData(x, y, x[:0], y[:0], CLASS_NAMES, "noise")
    return train(replace(RECIPES[name], **changes), data, verbose=0)


def ours(images: int) -> float:
    """Images a second of the network's recipe, on whole images."""
    run = _train(images, NETWORK, epochs=1 + EPOCHS, batch_size=BATCH, sides=())
    return run.images_per_second


def keras_fit(
    images: int,
    *,
    own_input=False,
    faster: tuple[str, ...] = (),
    precision: str | None = "float32",
    activation="relu",
    frozen=False,
):
    """Images a second of ``fit``, on arrays or on a dataset without autotuner.

    Without a precision, in the machine's best; with those layers of Keras exchanged for
    faster twins whose names ``faster`` has.
    """
    import keras

    from cifar_utils.fast.accelerate import TWINS, accelerate
    from cifar_utils.fast.machine import best_precision
    from cifar_utils.models import build_model

    keras.config.set_dtype_policy(precision or best_precision())
    model = build_model(NETWORK, activation=activation)
    model.get_layer("whitening_conv").trainable = not frozen
    if faster:
        model = accelerate(model, {kind: TWINS[kind] for kind in TWINS if kind.__name__ in faster})
    optimizer = keras.optimizers.SGD(0.01, 0.9, nesterov=True)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = noise(images // BATCH * BATCH)
    return EPOCHS * len(x) / _seconds_of_fit(model, x, y, BATCH, own_input=own_input)


def _seconds_of_fit(model, x, y, batch: int, *, own_input: bool) -> float:
    """Seconds of a few epochs, after a first step, which builds the graph."""
    import tensorflow as tf

    from cifar_utils.fast.pipeline import untuned

    model.fit(x[:batch], y[:batch], batch, verbose=0)
    start = time.perf_counter()
    if own_input:
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(batch)
        model.fit(untuned(dataset), epochs=EPOCHS, shuffle=False, verbose=0)
    else:
        model.fit(x, y, batch, epochs=EPOCHS, verbose=0)
    return time.perf_counter() - start


def best_keras(images: int, **options) -> float | None:
    """As ``keras_fit`` in the machine's best precision, or None if that is float32."""
    from cifar_utils.fast.machine import best_precision

    if best_precision() == "float32":
        return None  # that would be the contestant before
    return keras_fit(images, own_input=True, precision=None, **options)


def torch_loop(images: int, compiled: bool = False, frozen: bool = False) -> float:
    """Images a second of the network in PyTorch: channels last, bfloat16 where there are units."""
    import torch
    from torch import nn

    from cifar_utils.fast.machine import best_precision
    from cifar_utils.models import build_model

    channels, modules = 3, []
    for layer in build_model(NETWORK).layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            side, padding = layer.kernel_size[0], layer.padding
            bias, width = layer.use_bias, layer.filters
            modules.append(nn.Conv2d(channels, width, side, padding=padding, bias=bias))
            if layer.activation.__name__ == "relu":
                modules.append(nn.ReLU())
            channels = width
        elif kind == "BatchNormalization":
            modules.append(nn.BatchNorm2d(channels, momentum=1 - layer.momentum))
        elif kind in TORCH_LAYERS:
            modules += [getattr(nn, name)(*options) for name, *options in TORCH_LAYERS[kind]]
        elif kind not in ("InputLayer", "Rescaling", "Dense"):
            raise ValueError(f"Expected layers that PyTorch has, too. Received: {kind}.")
    model = nn.Sequential(*modules, nn.Linear(channels, 10)).to(memory_format=torch.channels_last)
    modules[0].requires_grad_(not frozen)
    step_model = torch.compile(model) if compiled else model
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(learning, 0.01, 0.9, nesterov=True)
    x, y = noise(images // BATCH * BATCH)
    x = torch.from_numpy(x).permute(0, 3, 1, 2)
    y = torch.from_numpy(y)
    bfloat16 = best_precision() == "mixed_bfloat16"

    def epoch(rows):
        for batch in rows.split(BATCH):
            pixels = x[batch].to(memory_format=torch.channels_last).float() / 255
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss = nn.functional.cross_entropy(step_model(pixels), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch(torch.arange(2 * BATCH))
    start = time.perf_counter()
    for _ in range(EPOCHS):
        epoch(torch.randperm(len(x)))
    return EPOCHS * len(x) / (time.perf_counter() - start)


TORCH_LAYERS = {
    "MaxPooling2D": [("MaxPool2d", 2)],
    "Activation": [("ReLU",)],
    "GlobalMaxPooling2D": [("AdaptiveMaxPool2d", 1), ("Flatten",)],
}


def whole_recipe(_: int, name: str = NETWORK, **changes) -> float:
    """Seconds of all epochs of a recipe of ours, the graphs' building included."""
    return _train(ALL_IMAGES, name, **changes).seconds


def stock_s3(_: int) -> float:
    """Seconds of all epochs of s3's recipe, on arrays, the graph's building included.

    The wait at the end of an epoch depends on how long the epoch took, so that two epochs
    don't tell how long ten will take.
    """
    import keras

    from cifar_utils.models import build_model
    from cifar_utils.recipes import RECIPES

    recipe = RECIPES["valid_cnn"]
    model = build_model(recipe.model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss)
    x, y = noise(ALL_IMAGES)
    start = time.perf_counter()
    model.fit(x, y, recipe.batch_size, epochs=recipe.epochs, verbose=0)
    return time.perf_counter() - start


def _augment(images: int, names: tuple[str, ...]) -> float:
    import tensorflow as tf

    from cifar_utils.augmentation import build_augmentation

    layer = build_augmentation([(name, AMOUNTS[name]) for name in names])
    graph = tf.function(lambda x: layer(x, training=True))
    batch = tf.constant(noise(BATCH)[0])
    return _repeat(lambda: graph(batch).numpy(), images)


AMOUNTS = {"crop_flip": 4, "flip": 0, "shift": 0.125, "rotation": 15}


def _generator(images: int) -> float:
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        width_shift_range=4, height_shift_range=4, horizontal_flip=True, fill_mode="reflect"
    )
    stream = generator.flow(noise(BATCH)[0], batch_size=BATCH)
    return _repeat(lambda: next(stream), images)


def _repeat(step: Callable[[], object], images: int) -> float:
    step()
    count = max(1, images // BATCH)
    start = time.perf_counter()
    for _ in range(count):
        step()
    return count * BATCH / (time.perf_counter() - start)


def _load_ours(_: int) -> float:
    from cifar_utils.data import load_cifar10, load_cifar10_test

    start = time.perf_counter()
    data = load_cifar10()
    x_test, _ = load_cifar10_test()
    return (len(data.x_train) + len(data.x_val) + len(x_test)) / (time.perf_counter() - start)


def _load_keras(_: int) -> float | None:
    """Keras' reader of the official files, and the copy that makes its view contiguous."""
    from keras.src.datasets.cifar import load_batch

    from cifar_utils.data import find_cifar10
    from cifar_utils.dataset.files import BATCHES, missing

    if missing(folder := find_cifar10()):
        return None  # our own cache, which has them decoded
    start = time.perf_counter()
    parts = [load_batch(folder / name)[0] for name in BATCHES]
    whole = [np.concatenate(parts[:-1]), parts[-1]]
    images = [np.ascontiguousarray(part.transpose(0, 2, 3, 1)) for part in whole]
    return sum(map(len, images)) / (time.perf_counter() - start)


ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}
# TensorFlow and PyTorch in one process can abort it: both may bring LLVM.
WITHOUT_TENSORFLOW = {"KERAS_BACKEND": "torch"}
_own_input = partial(keras_fit, own_input=True)
FUSED = ("BatchNormalization",)
BOTH = (*FUSED, "Conv2D")
_fused = partial(_own_input, faster=FUSED)
_fused_best = partial(best_keras, faster=FUSED)
_both_best = partial(best_keras, faster=BOTH)
_frozen = partial(_own_input, faster=BOTH, precision=None, frozen=True)
_torch_compiled = partial(torch_loop, compiled=True)
_torch_frozen = partial(torch_loop, frozen=True)
_large_recipe = partial(whole_recipe, name="fast_cnn_large")
CONTESTANTS = (
    Contestant("training", "ours, augmentation included", ours, ONEDNN),
    Contestant("training", "the same network, stock Keras, fit on arrays", keras_fit),
    Contestant("training", "+ oneDNN kernels", keras_fit, ONEDNN),
    Contestant("training", "+ input without autotuner", _own_input, ONEDNN),
    Contestant("training", "+ fused normalisation", _fused, ONEDNN),
    Contestant("training", "+ the machine's best precision", _fused_best, ONEDNN),
    Contestant("training", "+ small maps' gradient", _both_best, ONEDNN),
    Contestant("training", "+ first layer frozen, as ours", _frozen, ONEDNN),
    Contestant("training", "fused, float32, GELU", partial(_fused, activation="gelu"), ONEDNN),
    Contestant("training", "PyTorch, eager", torch_loop, WITHOUT_TENSORFLOW, "torch"),
    Contestant("training", "PyTorch, compiled", _torch_compiled, WITHOUT_TENSORFLOW, "torch"),
    Contestant(
        "training", "PyTorch, eager, first layer frozen", _torch_frozen, WITHOUT_TENSORFLOW, "torch"
    ),
    Contestant("recipes", f"{NETWORK}, all its epochs", whole_recipe, ONEDNN),
    Contestant("recipes", "s3's ten epochs, stock Keras, fit on arrays", stock_s3),
    Contestant("recipes", "fast_cnn_large, all its epochs", _large_recipe, ONEDNN),
    Contestant("augmentation", "crop and flip, ours", partial(_augment, names=("crop_flip",))),
    Contestant("augmentation", "Keras' flip and shift", partial(_augment, names=("flip", "shift"))),
    Contestant("augmentation", "Keras' ImageDataGenerator", _generator),
    Contestant("loading", "load_cifar10, ours", _load_ours),
    Contestant("loading", "Keras' reader", _load_keras),
)


if __name__ == "__main__":
    result = CONTESTANTS[int(sys.argv[1])].measure(int(sys.argv[2]))
    print(f"\n{json.dumps(result)}", end="")
