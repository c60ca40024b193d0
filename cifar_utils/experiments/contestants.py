"""Who takes part in the bench: ways to train, to transform and to load, ours and others'.

Those that train are in ``training_speed``. Like them, augmentation is fed with noise.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cifar_utils.experiments.training_speed import (
    BATCH,
    NETWORK,
    S2_EPOCHS,
    best_keras,
    keras_fit,
    noise,
    ours,
    stock_s2,
    stock_s3,
    torch_loop,
    whole_recipe,
)

# Of the groups that are not measured in images a second:
UNITS = {"recipes": "s", "time to 83 %": "s"}


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


def _load_keras(_: int) -> float:
    """Keras' reader of the same files, and the copy that makes its view contiguous."""
    from keras.src.datasets.cifar import load_batch

    from cifar_utils.data import find_cifar10
    from cifar_utils.dataset.storage import BATCHES

    folder = find_cifar10()
    start = time.perf_counter()
    parts = [load_batch(folder / name)[0] for name in BATCHES]
    whole = [np.concatenate(parts[:-1]), parts[-1]]
    images = [np.ascontiguousarray(part.transpose(0, 2, 3, 1)) for part in whole]
    return sum(map(len, images)) / (time.perf_counter() - start)


ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}
# TensorFlow and PyTorch in one process can abort it: both may bring LLVM.
WITHOUT_TENSORFLOW = {"KERAS_BACKEND": "torch"}
_own_input = partial(keras_fit, own_input=True)
FUSED = ("FusedBatchNormalization",)
BOTH = (*FUSED, "SmallMapConv2D")
_fused = partial(_own_input, keep=FUSED)
_fused_best = partial(best_keras, keep=FUSED)
_both_best = partial(best_keras, keep=BOTH)
_frozen = partial(_own_input, keep=BOTH, precision=None, frozen=True)
_torch_compiled = partial(torch_loop, compiled=True)
_torch_frozen = partial(torch_loop, frozen=True)
SHORT = 8  # epochs in which it gets to 83 % of the validation images, by the ledger
_short_recipe = partial(whole_recipe, epochs=SHORT)
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
    Contestant("time to 83 %", f"{NETWORK}, {SHORT} epochs", _short_recipe, ONEDNN),
    Contestant("time to 83 %", f"s2's {S2_EPOCHS} epochs (from two), stock Keras", stock_s2),
    Contestant("augmentation", "crop and flip, ours", partial(_augment, names=("crop_flip",))),
    Contestant("augmentation", "Keras' flip and shift", partial(_augment, names=("flip", "shift"))),
    Contestant("augmentation", "Keras' ImageDataGenerator", _generator),
    Contestant("loading", "load_cifar10, ours", _load_ours),
    Contestant("loading", "Keras' reader", _load_keras),
)


if __name__ == "__main__":
    result = CONTESTANTS[int(sys.argv[1])].measure(int(sys.argv[2]))
    print(f"\n{json.dumps(result)}", end="")
