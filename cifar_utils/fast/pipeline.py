"""Batches for training and validation, in the form that the backend takes."""

import itertools
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from cifar_utils.checks import expected

EVALUATION_BATCH = 500


def training_input(images: np.ndarray, targets: np.ndarray, **options):
    """The stream of :func:`training_batches`, in the form that the backend takes.

    Parameters
    ----------
    images, targets, **options
        As for :func:`training_batches`.

    Returns
    -------
    tf.data.Dataset, or a generator on another backend
        Without end; it can be gone through once.
    """
    batches = training_batches(images, targets, **options)
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    first = next(batches)
    dataset = tf.data.Dataset.from_generator(
        lambda: itertools.chain([first], batches),
        output_signature=tuple(tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in first),
    )
    return untuned(dataset)


def steps_per_epoch(images: np.ndarray, batch_size: int) -> int:
    """How many whole batches there are; ValueError if there is none."""
    if len(images) < batch_size:
        hint = (
            "A recipe with smaller batches, and a learning rate smaller in proportion: "
            "dataclasses.replace(recipe, batch_size=…, learning_rate=…)."
        )
        raise expected(
            f"at least {batch_size} training images, a batch", f"{len(images)} images", hint
        )
    return len(images) // batch_size


def validation_input(images: np.ndarray, targets: np.ndarray) -> dict:
    """Arguments of ``fit`` by which it sees all validation images after each epoch.

    None where there are no such images.
    """
    if not len(images):
        return {}
    if keras.backend.backend() != "tensorflow":
        return {"validation_data": (images, targets), "validation_batch_size": EVALUATION_BATCH}
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((images, targets)).batch(EVALUATION_BATCH)
    return {"validation_data": untuned(dataset)}


def untuned(dataset):
    """Switch off the autotuner of a ``tf.data`` pipeline. Taught in notebook 06.

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
    images: np.ndarray,
    targets: np.ndarray,
    *,
    batch_size: int,
    seed: int = 0,
    first_epoch: int = 0,
    mixup: float = 0.0,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end, in an order that follows from the seed and the epoch.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, channels)
    targets : ndarray of float32, shape (n, classes)
        One-hot labels.
    batch_size, seed : int
    first_epoch : int
        Counted from 0; from there the stream goes on.
    mixup : float
        Alpha of the beta distribution of mixup's weights; 0 for none.

    Yields
    ------
    images : ndarray, shape (batch_size, height, width, channels)
        uint8; float32 under mixup.
    targets : ndarray of float32, shape (batch_size, classes)
        What is left of an epoch's images after whole batches is left out; it is others in
        each epoch.

    Raises
    ------
    ValueError
        If there are fewer images than a batch.
    """
    steps = steps_per_epoch(images, batch_size)
    for epoch in itertools.count(first_epoch):
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        if mixup:
            mix = keras.layers.MixUp(mixup, seed=1000 * seed + epoch, dtype="float32")
        for rows in order[: steps * batch_size].reshape(steps, batch_size):
            batch = {"images": images[rows], "labels": targets[rows]}
            if mixup:
                batch = {k: ops.convert_to_numpy(v) for k, v in mix(batch).items()}
            yield batch["images"], batch["labels"]
