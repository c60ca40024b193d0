"""Batches for training and validation, in the form that the backend takes."""

import itertools
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from cifar_utils.blocks import NUM_CLASSES
from cifar_utils.data import Cifar10
from cifar_utils.recipe import Recipe

EVALUATION_BATCH = 500


def training_input(recipe: Recipe, data: Cifar10, seed: int, first_epoch: int):
    """The stream of :func:`training_batches`, in the form that the backend takes.

    Parameters
    ----------
    recipe : Recipe
        Its batch size and mixup count here.
    data : Cifar10
    seed : int
    first_epoch : int
        Counted from 0; from there the stream goes on without end.

    Returns
    -------
    tf.data.Dataset, or a generator on another backend
        It can be gone through once.
    """
    batches = training_batches(recipe, data, seed, first_epoch)
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    first = next(batches)
    dataset = tf.data.Dataset.from_generator(
        lambda: itertools.chain([first], batches),
        output_signature=tuple(tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in first),
    )
    return untuned(dataset)


def steps_per_epoch(recipe: Recipe, data: Cifar10) -> int:
    """How many whole batches there are; ValueError if there is none."""
    if len(data.x_train) < recipe.batch_size:
        raise ValueError(
            f"Expected at least {recipe.batch_size} training images, a batch. "
            f"Received: {len(data.x_train)} images."
        )
    return len(data.x_train) // recipe.batch_size


def validation_input(data: Cifar10) -> dict:
    """Arguments of ``fit`` by which it sees all validation images after each epoch.

    Images as uint8 of shape (n, 32, 32, 3), labels one-hot; none where there are no such images.
    """
    if not len(data.x_val):
        return {}
    arrays = data.x_val, np.eye(NUM_CLASSES, dtype=np.float32)[data.y_val]
    if keras.backend.backend() != "tensorflow":
        return {"validation_data": arrays, "validation_batch_size": EVALUATION_BATCH}
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(EVALUATION_BATCH)
    return {"validation_data": untuned(dataset)}


def untuned(dataset):
    """Switch off the autotuner of a ``tf.data`` pipeline.

    Taking down an autotuned pipeline waits for the tuner to wake up, which it does after
    twice as long each time: at the end of a training it can be minutes. ``fit`` on
    arrays makes such a pipeline, and takes it down after every epoch.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Of batches.

    Returns
    -------
    tf.data.Dataset
        The same batches, two of them prepared in advance.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)


def training_batches(
    recipe: Recipe, data: Cifar10, seed: int, first_epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end, in an order that follows from the seed and the epoch.

    Yields
    ------
    images : ndarray, shape (batch_size, 32, 32, 3)
        uint8; float32 under mixup.
    labels : ndarray of float32, shape (batch_size, 10)
        One-hot, or mixed. What is left of an epoch's images after whole batches is left
        out; it is others in each epoch.

    Raises
    ------
    ValueError
        If there are fewer images than a batch.
    """
    one_hot = np.eye(NUM_CLASSES, dtype=np.float32)
    size = recipe.batch_size
    steps_per_epoch(recipe, data)  # without a batch, the loop below would never yield
    for epoch in itertools.count(first_epoch):
        order = np.random.default_rng([seed, epoch]).permutation(len(data.x_train))
        if recipe.mixup:
            options = {"seed": 1000 * seed + epoch, "dtype": "float32"}
            mixup = keras.layers.MixUp(recipe.mixup, **options)
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            batch = {"images": data.x_train[rows], "labels": one_hot[data.y_train[rows]]}
            if recipe.mixup:
                batch = {k: ops.convert_to_numpy(v) for k, v in mixup(batch).items()}
            yield batch["images"], batch["labels"]
