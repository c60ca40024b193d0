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


@dataclass(frozen=True)
class Contestant:
    """One way of doing something, and the setting of its process.

    ``measure(images)`` returns images per second, or nothing if it can't be done here. The
    first contestant of a group is ours.
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


def ours(images: int) -> float:
    """Of the network's recipe, augmentation and all, in batches as the others'.

    On whole images, and as after the epoch in which the whitening layer learns: where the
    recipe goes on to something else, a graph is built again.
    """
    from cifar_utils.data import CLASS_NAMES, ImageData
    from cifar_utils.recipes import RECIPES
    from cifar_utils.training import train

    x, y = noise(images)
    data = ImageData(x, y, x[:0], y[:0], CLASS_NAMES, "noise")
    recipe = replace(RECIPES[NETWORK].with_batch_size(BATCH), sides=(), whitening_epochs=0)
    return train(recipe, data, epochs=1 + EPOCHS, verbose=0).images_per_second


def _network():
    """The recipe's network, all of it to be trained."""
    from cifar_utils.models import build_model
    from cifar_utils.recipes import RECIPES

    return build_model(NETWORK, **RECIPES[NETWORK].model_options)


def keras_fit(images: int, *, accelerated: bool = False, best: bool = False) -> float | None:
    """Of ``fit`` on arrays, as Keras has it, or on a dataset and by our faster twin.

    In float32 or in the machine's best precision; nothing if that is float32.
    """
    import keras

    from cifar_utils.fast.accelerate import accelerate
    from cifar_utils.fast.machine import best_precision

    precision = best_precision() if best else "float32"
    if best and not accelerated and precision == "float32":
        return None  # that would be the contestant before
    keras.config.set_dtype_policy(precision)
    model = accelerate(_network()) if accelerated else _network()
    optimizer = keras.optimizers.SGD(0.01, 0.9, nesterov=True)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = noise(images // BATCH * BATCH)
    return EPOCHS * len(x) / _seconds_of_fit(model, x, y, BATCH, own_input=accelerated)


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


def torch_loop(images: int, compiled: bool = False) -> float:
    """Of the network in PyTorch: channels last, in the machine's best precision."""
    import torch
    from torch import nn

    from cifar_utils.fast.machine import best_precision

    channels, modules = 3, []
    for layer in _network().layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            side, padding = layer.kernel_size[0], layer.padding
            bias, width = layer.use_bias, layer.filters
            modules.append(nn.Conv2d(channels, width, side, padding=padding, bias=bias))
            if layer.activation.__name__ != "linear":
                modules.append(_torch_activation(layer))
            channels = width
        elif kind == "BatchNormalization":
            modules.append(nn.BatchNorm2d(channels, momentum=1 - layer.momentum))
        elif kind == "Activation":
            modules.append(_torch_activation(layer))
        elif kind in TORCH_LAYERS:
            modules += [getattr(nn, name)(*options) for name, *options in TORCH_LAYERS[kind]]
        elif kind not in ("InputLayer", "Rescaling", "Dense"):
            raise ValueError(f"Expected layers that PyTorch has, too. Received: {kind}.")
    model = nn.Sequential(*modules, nn.Linear(channels, 10)).to(memory_format=torch.channels_last)
    step_model = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, nesterov=True)
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
    "GlobalMaxPooling2D": [("AdaptiveMaxPool2d", 1), ("Flatten",)],
}


def _torch_activation(layer):
    from torch import nn

    return {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}[layer.activation.__name__]()


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
_torch = {"environment": {"KERAS_BACKEND": "torch"}, "needs": "torch"}
_keras_best = partial(keras_fit, best=True)
_keras_accelerated = partial(keras_fit, best=True, accelerated=True)
_torch_compiled = partial(torch_loop, compiled=True)
CONTESTANTS = (
    Contestant("training", "ours, augmentation included", ours, ONEDNN),
    Contestant("training", "Keras, float32", keras_fit),
    Contestant("training", "Keras, best precision", _keras_best),
    Contestant("training", "Keras, best precision, accelerate()", _keras_accelerated, ONEDNN),
    Contestant("training", "PyTorch, best precision, eager", torch_loop, **_torch),
    Contestant("training", "PyTorch, best precision, compiled", _torch_compiled, **_torch),
    Contestant("augmentation", "crop and flip, ours", partial(_augment, names=("crop_flip",))),
    Contestant("augmentation", "Keras' flip and shift", partial(_augment, names=("flip", "shift"))),
    Contestant("augmentation", "Keras' ImageDataGenerator", _generator),
    Contestant("loading", "load_cifar10, ours", _load_ours),
    Contestant("loading", "Keras' reader", _load_keras),
)


if __name__ == "__main__":
    result = CONTESTANTS[int(sys.argv[1])].measure(int(sys.argv[2]))
    print(f"\n{json.dumps(result)}", end="")
