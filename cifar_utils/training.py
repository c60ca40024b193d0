"""Train a network by a recipe, so that it can be interrupted at any moment and go on.

What makes it fast is in ``fast/``; what decides how well a network learns, in ``recipes``.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from cifar_utils.augmentation import PadCropFlip, build_augmentation
from cifar_utils.checks import check_labelled
from cifar_utils.data import IMAGE_SHAPE, NUM_CLASSES, Cifar10, channel_statistics, fingerprint
from cifar_utils.fast.accelerate import accelerate
from cifar_utils.fast.machine import best_precision
from cifar_utils.fast.optimizers import LinearRise, LookaheadSGD
from cifar_utils.fast.pipeline import steps_per_epoch, training_input, validation_input
from cifar_utils.fast.progressive import at_side
from cifar_utils.fast.resume import TrainingState
from cifar_utils.fast.whitening import initialize
from cifar_utils.models import build_model
from cifar_utils.operations import operations
from cifar_utils.recipes import RECIPES, Recipe

__all__ = ["RECIPES", "Recipe", "Run", "best_precision", "build_optimizer", "train"]


@dataclass(frozen=True)
class Run:
    """What came of a training.

    Attributes
    ----------
    model : keras.Model
        As it is after the last epoch, of Keras' own layers: it can be saved, and loaded
        where this package is not installed. Takes pixels from 0 to 255 and returns logits.
    recipe : Recipe
    seed : int
    history : dict of str to list of float
        A value an epoch: ``loss`` and ``accuracy``, measured during the epoch, with
        dropout and augmentation; ``val_loss`` and ``val_accuracy``, measured after it,
        without; ``seconds``, of training alone.
    seconds : float
        Wall-clock time of all epochs, the building of the graph included, validation not.
    images_per_second : float
        Over the epochs after the first, or over the only one; those on smaller images count
        like the others.
    precision : str
        The Keras dtype policy that the network was built with.
    operations : int
        Floating-point operations of the training: see ``operations.operations``.
    """

    model: keras.Model
    recipe: Recipe
    seed: int
    history: dict[str, list[float]]
    seconds: float
    images_per_second: float
    precision: str
    operations: int


def train(
    recipe: Recipe,
    data: Cifar10,
    seed: int = 0,
    *,
    epochs: int | None = None,
    precision: str | None = None,
    resume: str | os.PathLike | None = None,
    verbose: str | int = "auto",
) -> Run:
    """Train a new network by a recipe. Taught in notebook 03.

    Parameters
    ----------
    recipe : Recipe
        For example ``RECIPES["valid_cnn"]``.
    data : Cifar10
        Training images and, if there are any, validation images. Labels are class numbers
        under mixup and smoothing, too.
    seed : int
        Decides the initial weights, the order of the images and all random transforms. It
        is also set as the global seed of Python, NumPy and the backend.
    epochs : int, optional
        Instead of the recipe's; schedules are stretched to them.
    precision : str, optional
        A Keras dtype policy; without, :func:`best_precision`.
    resume : path, optional
        A file in which the state is kept after each epoch. If it is there already, of
        the same training, the training goes on after the last epoch in it, and ends
        with the weights that it would have had without the interruption.
    verbose : "auto", 0, 1 or 2
        As for ``keras.Model.fit``.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If there are fewer images than a batch, no epochs, images in another form than uint8
        pixels of shape (n, 32, 32, 3), labels in another than class numbers, images that the
        recipe makes too small for its network, or the file is of another training or can't
        be written.
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    steps = steps_per_epoch(data.x_train, recipe.batch_size)
    form = NUM_CLASSES, IMAGE_SHAPE
    data = replace(data, y_train=check_labelled(data.x_train, data.y_train, *form))
    if len(data.x_val) or len(data.y_val):
        data = replace(data, y_val=check_labelled(data.x_val, data.y_val, *form))
    keras.utils.set_random_seed(seed)
    precision = precision or best_precision()
    model = _build(recipe, data, precision)
    augmentation = build_augmentation(recipe.augmentation, seed=seed)
    optimizer = build_optimizer(recipe, recipe.epochs * steps)
    if precision == "mixed_float16":  # its smallest gradients would be lost
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )

    identity = recipe.settings() | {
        "seed": seed,
        "precision": precision,
        "backend": keras.backend.backend(),
        "data": fingerprint(data.x_train, data.y_train),
        "images": len(data.x_train),
        "validation": fingerprint(data.x_val, data.y_val) if len(data.x_val) else None,
    }
    alternating = [layer for layer in augmentation.layers if isinstance(layer, PadCropFlip)]
    state = TrainingState(Path(resume) if resume else None, identity, alternating)
    one_hot = np.eye(NUM_CLASSES, dtype="float32")
    batches = {"batch_size": recipe.batch_size, "seed": seed, "mixup": recipe.mixup}
    # All networks first: an error after some epochs would come too late.
    phases = [(first, end, _shown_at(model, side)) for first, end, side in recipe.phases()]
    for first_epoch, end, network in phases:
        learner = keras.Sequential([augmentation, *network], name="learner")
        learner.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
        if not first_epoch:
            state.restore(learner)
        if state.epochs_done < end:
            learner.fit(
                training_input(
                    data.x_train, one_hot[data.y_train], first_epoch=state.epochs_done, **batches
                ),
                epochs=end,
                initial_epoch=state.epochs_done,
                steps_per_epoch=steps,
                **validation_input(data.x_val, one_hot[data.y_val]),
                callbacks=[state],
                shuffle=False,
                verbose=verbose,
            )
    steady = state.history["seconds"][1:] or state.history["seconds"]
    speed = steps * recipe.batch_size * len(steady) / sum(steady)
    seconds = sum(state.history["seconds"])
    cost = sum(operations(model, recipe, len(data.x_train)).values())
    return Run(model, recipe, seed, state.history, seconds, speed, precision, cost)


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser that a recipe asks for, in a training of so many steps."""
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    elif recipe.schedule == "triangle":
        rise = max(1, steps // 5)
        rate = keras.optimizers.schedules.PolynomialDecay(rate, max(1, steps - rise), 0.0)
        rate = LinearRise(recipe.learning_rate / 5, rise, rate)
    decay = recipe.weight_decay or None
    if recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, weight_decay=decay)
    elif recipe.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate, weight_decay=decay)
    else:
        options = {"momentum": 0.9, "nesterov": True, "weight_decay": decay}
        if recipe.lookahead or recipe.offset_rate != 1:
            options |= {"steps": steps, "offset_rate": recipe.offset_rate}
            if not recipe.lookahead:
                options["hold"] = 0.0
            optimizer = LookaheadSGD(rate, **options)
        else:
            optimizer = keras.optimizers.SGD(rate, **options)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _build(recipe: Recipe, data: Cifar10, precision: str) -> keras.Model:
    options = dict(recipe.model_options)
    if recipe.normalization == "zscore":
        options["statistics"] = channel_statistics(data.x_train)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = build_model(recipe.model, **options)
    finally:
        keras.config.set_dtype_policy(before)
    if recipe.initialization == "whitening":
        initialize(model, data.x_train)
    return model


def _shown_at(model: keras.Model, side: int) -> list[keras.Layer]:
    """The network's faster twin, behind a layer that reduces images to so many pixels a side."""
    twin = accelerate(at_side(model, side))
    return [twin] if side == IMAGE_SHAPE[0] else [keras.layers.Resizing(side, side), twin]
