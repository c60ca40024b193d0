# %% [markdown]
# # 05 · Train faster
#
# **A network of half a million parameters classifies 83.5 % of the test images correctly after 446
# seconds of training on two processor cores (`cifar10-q75`, one run; five runs: 83.6 ± 0.2 %,
# 397 s [5]); the baseline took 564 s, with its validation, for 77.3 % [4]. The notebook takes
# 17 minutes.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/05_train_faster.ipynb)
#
# **You will learn** to
#
# * find out where a training step spends its time, and how far it is from the limit,
# * notice a wait between epochs that nobody ordered, and get rid of it,
# * find a learning rate by a range test,
# * judge each change by the seconds to a given accuracy and by the code that it costs,
# * train a network to an accuracy that none before it in this series reaches in that time.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb), and sections 2 and 4 of
# [03](03_data_augmentation.ipynb) for crop and flip.
#
# **Runtime** 17 minutes on two processor cores (AMD EPYC), most of them for the ladder of
# section 6 and the training of section 7.

# %% [markdown]
# ## Setup
#
# On Colab, the first cell installs this series' helper package and leaves everything
# else as it is. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    from subprocess import check_call

    repository = "https://github.com/cifar10-keras-notebooks/cifar10-keras-notebooks"
    package = f"git+{repository}@v0.1.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])

# %%
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # see section 2
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cifar_utils import quiet_stderr

with quiet_stderr():
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # else it warns that several models are built
    DEVICES = [device.device_type for device in tf.config.list_logical_devices()]

# %%
import ast
import inspect
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers

from cifar_utils import augmentation, evaluation, initialization, ledger, optimizers
from cifar_utils.data import (
    channel_statistics,
    load_cifar10,
    load_cifar10_test,
    profile,
)
from cifar_utils.layers import FusedBatchNormalization, with_stock_layers
from cifar_utils.models import build_model
from cifar_utils.training import RECIPES, best_precision, train

# %%
PROFILE = profile()
print("profile:", PROFILE)
print("versions:", ledger.versions())
print("machine:", ledger.hardware())
print("devices:", DEVICES)

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
SEED = 0
FULL = PROFILE == "full"
LIMIT = None if FULL else 600
VAL_SIZE = 5_000 if FULL else 200
TEST_LIMIT = None if FULL else 500
RECIPE = RECIPES["fast_cnn"]
BATCH = RECIPE.batch_size if FULL else 32
TURNS = 15 if FULL else 1  # of everything that is timed
MATRIX = 2048 if FULL else 64  # side of the matrices of the speed test
WAIT_EPOCHS = 4 if FULL else 2
WAIT_SECONDS = 5.5 if FULL else 0.1  # how long an epoch of section 3 should take
MAP_SHAPE = (15, 15, 128)  # on which batch normalisation is tried
RANGE_STEPS = 80 if FULL else 4
RANGE = (1e-3, 10.0)  # of learning rates
LADDER_EPOCHS = 3 if FULL else 1
LADDER_IMAGES = 25_000 if FULL else 400
LADDER_SIDE = 16  # pixels
GOAL = 0.55  # validation accuracy on small images
TRAIN_EPOCHS = RECIPE.epochs if FULL else 2

# %% tags=["setup"]
keras.utils.set_random_seed(SEED)
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
print(f"{len(data.x_train):,} training and {len(data.x_val):,} validation images")

# %% [markdown]
# ## 1 Where does the time go?
#
# Whoever wants to be faster first finds out what takes long: making the rest faster gains
# little. One step of training, taken apart: the images are gathered, cropped and
# flipped, sent forward through the network; the gradients come back; the optimiser moves
# the weights. The network is `fast_cnn`, after Jordan's [1]: one convolution with windows of
# 2 × 2 pixels, then three stages, each of two convolutions around a pooling, then the
# maximum over what is left of the map, and a linear layer, whose outputs are divided by nine.

# %%
x_batch = data.x_train[:BATCH]
y_batch = keras.utils.to_categorical(data.y_train[:BATCH], 10)
model = build_model(RECIPE.model, statistics=channel_statistics(data.x_train))
optimizer = RECIPE.build_optimizer(1_000)
optimizer.build(model.trainable_variables)
crop_and_flip = augmentation.PadCropFlip(2, flip="alternating")
for layer in model.layers:
    print(f"{layer.name:<16} {' × '.join(map(str, layer.output.shape[1:]))}")

# %% [markdown]
# Normalisation comes after each pooling, where maps are smaller. Each of these functions goes
# one part further than the one before it, so that the difference between two is the cost of a
# part. `tf.function` makes each a graph, as `fit` does (which also uses XLA on a GPU). A
# processor that others use, too, is now faster and now slower, so the steps take turns, and a
# busy spell hits all of them.


# %%
loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)


@tf.function
def transformed(images):
    return crop_and_flip(images, training=True)


@tf.function
def forward(images):
    return model(transformed(images), training=True)


@tf.function
def backward(images, labels):
    with tf.GradientTape() as tape:
        loss = loss_of(labels, forward(images))
    return tape.gradient(loss, model.trainable_variables)


@tf.function
def whole_step(images, labels):
    optimizer.apply(backward(images, labels), model.trainable_variables)


# %%
def in_turns(steps):
    """Seconds of each step in each turn, without a first one, which builds graphs."""
    times = {name: [] for name in steps}
    for _ in range(1 + TURNS):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            tf.test.experimental.sync_devices()  # a GPU may still be at work
            times[name].append(time.perf_counter() - start)
    return {name: np.array(values[1:]) for name, values in times.items()}


# %%
order = np.random.default_rng(SEED).permutation(len(data.x_train))[:BATCH]
until = in_turns(
    {
        "gather": lambda: data.x_train[order],
        "crop and flip": lambda: transformed(x_batch),
        "forward": lambda: forward(x_batch),
        "back": lambda: backward(x_batch, y_batch),
        "update": lambda: whole_step(x_batch, y_batch),
    }
)

# %% [markdown]
# We take the quickest turn of each. Gathering is not part of the graphs and counts on its own.
# The others are differences: the way forward is the time of `forward` less that of
# `transformed`, and so on.

# %%
names, times = list(until), np.array([values.min() for values in until.values()])
spent = np.diff(times, prepend=0)
spent[:2] = times[:2]
total = spent.sum()
for part, time_of_part in zip(names, spent, strict=True):
    print(f"{part:<14} {1e3 * time_of_part:6.1f} ms {time_of_part / total:6.1%}")

# %% [markdown]
# Of 675 ms, crop and flip take 4, less than a hundredth: nobody needs a faster augmentation
# here. The update of the weights takes a twentieth at most (a small difference of two large,
# noisy figures). The network has all the rest, 207 ms forward and about twice that on the way
# back. So it is these that have to become cheaper, or there have to be fewer steps. These were
# busy minutes of a shared machine, by the way: section 4 sends the same network forward and
# back in 419 ms. Trust the shares more than the milliseconds.

# %% [markdown]
# ## 2 How fast could it be?
#
# To know whether a step is slow, one has to know how fast it could be. A cost model: a
# convolution of k × k windows from C to D channels, on a map of H × W places, takes
# H·W·k²·C·D multiplications and as many additions. Going back, it takes as many again for
# the gradients of the weights, and again for those of its inputs, which the first layer does
# not need. Activations, poolings and normalisation take a few operations for each value,
# next to nothing beside the hundreds that a convolution spends on it; what they cost is the
# way to the memory and back.


# %%
# NBVAL_CHECK_OUTPUT
def step_operations(network):
    """Millions of floating-point operations of a training step, for one image."""
    rows = {}
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            places = layer.output.shape[1] * layer.output.shape[2]
            passes = 3 if rows else 2
            rows[layer.name] = (
                f"{layer.output.shape[1]} × {layer.output.shape[2]}",
                passes * 2 * places * np.prod(layer.kernel.shape) / 1e6,
            )
    return pd.DataFrame.from_dict(rows, "index", columns=["map", "MFLOP"])


operations = step_operations(model)
operations["share, %"] = 100 * operations["MFLOP"] / operations["MFLOP"].sum()
print(operations.round(1).to_string())
print(f"one image: {operations['MFLOP'].sum():.0f} million operations")

# %% [markdown]
# Four of the seven convolutions do nine tenths of the work, and the largest share is not at the
# input, where maps are large, nor at the end, where they have many channels, but in between.
# The whitening convolution is nearly free. A batch of 256 images is some 51 billion operations.
# What could the processor do at best? The product of two large matrices is the most regular
# work there is, each number fetched is used thousands of times, and libraries have been tuned
# for it for decades. Hardly anything in a network will be faster than that.

# %%
matrix = tf.random.normal((MATRIX, MATRIX))
products = in_turns({"": tf.function(lambda: tf.matmul(matrix, matrix))})
limit = 2 * MATRIX**3 / products[""].min() / 1e9
reached = operations["MFLOP"].sum() * BATCH / total / 1e3
print(f"matrix product: {limit:5.0f} GFLOP/s")
print(f"training step:  {reached:5.0f} GFLOP/s, {reached / limit:.0%} of it")
print(f"                {BATCH / total:5,.0f} images a second")
print(f"all in float32; `train` would use {best_precision()} here")

# %% [markdown]
# The step does half of what the product of two matrices does; with the 419 ms of section 4, it
# would be four fifths. That is good, and it is bad news: cleverer programming could at best save
# the rest. Whoever wants more accuracy a second from this processor has to ask for fewer
# operations: smaller images, or fewer epochs to the same accuracy. Or for smaller numbers:
# processors with units for bfloat16, which this one lacks, multiply twice as many of them a
# second, or more.
#
# Not everybody is as near to the limit. One line of the setup,
# `TF_ENABLE_ONEDNN_OPTS`, lets TensorFlow use the convolutions of the oneDNN library, which it
# has but does not choose by itself on this processor. In the bench of the README, stock Keras
# trains this network on 267 images a second without it and on 494 with it [5]. No other line in
# this notebook is worth as much. It has to come before TensorFlow is imported.

# %% [markdown]
# ## 3 A wait that nobody ordered
#
# Between the last step of an epoch and the first of the next, nothing should happen but some
# shuffling. Let `fit` train on arrays, as in most tutorials, and time that gap with a
# callback. Then let it train on the same images from a dataset of our own, in which nothing
# is tuned while it runs.


# %%
class Gaps(keras.callbacks.Callback):
    """Seconds of each epoch's steps, and from its last step to what comes next."""

    def __init__(self):
        super().__init__()
        self.steps, self.waits, self.last = [], [], None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.first = time.perf_counter()
            if self.last is not None:
                self.waits.append(self.first - self.last)

    def on_train_batch_end(self, batch, logs=None):
        self.last = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.steps.append(self.last - self.first)


# %%
per_epoch = max(1, min(int(WAIT_SECONDS / total), len(data.x_train) // BATCH))
count = per_epoch * BATCH
x_few, y_few = data.x_train[:count], data.y_train[:count]
dataset = tf.data.Dataset.from_tensor_slices((x_few, y_few)).shuffle(count).batch(BATCH)
options = tf.data.Options()
options.autotune.enabled = False
inputs = {
    "arrays": (x_few, y_few, BATCH),
    "own dataset": (dataset,),
    "untuned": (dataset.with_options(options),),
}

# %% [markdown]
# The number of images is chosen so that the steps of an epoch take some five seconds, or less
# where all images together take less. The first epoch also builds the graph, and is not shown.

# %%
sparse_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for name, given in inputs.items():
    learner = build_model(RECIPE.model)
    learner.compile(keras.optimizers.SGD(0.01), sparse_loss)
    gaps = Gaps()
    shuffle = name == "arrays"  # the datasets do it by themselves
    learner.fit(
        *given, epochs=WAIT_EPOCHS + 1, shuffle=shuffle, callbacks=[gaps], verbose=0
    )
    for spent, wait in zip(gaps.steps[1:], gaps.waits[1:], strict=False):
        print(f"{name}: {spent:.1f} s of steps, then {wait:.2f} s of waiting")

# %% [markdown]
# With arrays, and with a dataset of our own, there are waits, of up to 0.92 s here; without the
# tuner there are none. What happens: the pipeline tunes itself while it runs, in a thread of
# its own. After each epoch it is taken down, which has to wait until that thread wakes up, and
# it sleeps twice as long each time: until some 5, 10, 20, 41 or 82 seconds after its start. Add
# up the lines: 4.9 and 0.25 s make 5.1, 4.9 and 0.19 make 5.1, 4.2 and 0.92 make 5.1. (The
# third epochs did not wait; why, these figures do not tell.) How much one loses is thus a
# matter of luck: these epochs end shortly before the thread wakes up; one of 6 seconds would
# lose four, one of 50 seconds 32. The remedy is one option of the dataset, which switches the
# tuner off, and `train` of this package sets it.

# %% [markdown]
# ## 4 Normalise in one routine
#
# Keras puts batch normalisation together from elementary operations, and five of them read the
# whole map: for the mean, the squared differences from it, their mean, a product and a sum.
# TensorFlow has one routine for all of it, and this package a layer that calls it,
# `FusedBatchNormalization`. A faster layer is worth nothing if it computes something else.
# So first: is it the same, in its outputs and in the statistics that it keeps for later?

# %%
maps = keras.random.normal((BATCH, *MAP_SHAPE), mean=3.0, seed=SEED)
both = {"Keras": layers.BatchNormalization(), "fused": FusedBatchNormalization()}
outputs = {name: layer(maps, training=True) for name, layer in both.items()}
difference = np.abs(outputs["Keras"] - outputs["fused"]).max()
moved = [layer.moving_variance.numpy() for layer in both.values()]
print(f"largest difference of outputs {difference:.0e}, ", end="")
print(f"of moving variances {np.abs(moved[0] - moved[1]).max():.0e}")

# %% [markdown]
# It is, but for rounding. Then: what is it worth, alone and in the network, and how much code
# does it cost?


# %%
def forward_and_back(network, images):
    """A graph of the network's outputs and of their gradients."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(network(images, training=True) ** 2)
        return tape.gradient(loss, [images, *network.trainable_variables])

    return step


# %%
def lines(thing):
    """Lines of code on which a statement begins; documentation is not counted."""
    nodes = ast.walk(ast.parse(inspect.getsource(thing)))
    statements = [n for n in nodes if isinstance(n, ast.stmt)]
    code = [n for n in statements if not ast.unparse(n).startswith(("'", '"'))]
    return len({n.lineno for n in code})


# %%
pixels = tf.cast(x_batch, "float32")
stock = with_stock_layers(build_model(RECIPE.model))
networks = {"Keras": stock, "fused": build_model(RECIPE.model)}
for what, pair, given in (("layer", both, maps), ("network", networks, pixels)):
    times = in_turns({name: forward_and_back(a, given) for name, a in pair.items()})
    low, middle, high = np.quantile(times["Keras"] / times["fused"], [0.25, 0.5, 0.75])
    print(f"the {what}: {1e3 * times['Keras'].min():.0f} ms by Keras, ", end="")
    print(f"{1e3 * times['fused'].min():.0f} fused; turn by turn, ", end="")
    print(f"{middle:.2f} times as fast, half of the turns {low:.2f} to {high:.2f}")
print("lines of code:", lines(FusedBatchNormalization))

# %% [markdown]
# The layer is twice as fast, and whether the network gains, these turns can't say: half of them
# lie between 0.94 and 1.09. The map that we tried, 15 × 15 of 128 channels, has 28,800 values
# an image, about as many as all six normalisations of this network have together, 29,248, since
# it pools before it normalises. So some 28 ms should be saved of 400, a fourteenth. (The
# README's bench, whole epochs of `fit`, has 12 to 27 % more images a second in three rounds
# [5].) In a network that normalises large maps there is more to gain. A part that takes a tenth
# of the time can't save more than a tenth, however fast it becomes. A figure like "twice as
# fast" needs to be followed by "what?".

# %% [markdown]
# ## 5 Which learning rate?
#
# No setting matters more, and a bad guess costs whole trainings. A range test [2] costs one
# minute: train for a few dozen steps while the rate rises from far too small to far too
# large, by the same factor each step, and look at the loss. Where it falls fastest the rate
# is good; where it turns upwards the rate is too large to go on with. The optimiser is the
# recipe's, SGD; its augmentation, smoothing and lookahead are left out.


# %%
class RisingRate(keras.callbacks.Callback):
    """Multiplies the learning rate at each step, and keeps rates and losses."""

    def __init__(self, low, high, steps):
        super().__init__()
        self.rates, self.losses = np.geomspace(low, high, steps), []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate.assign(self.rates[len(self.losses)])

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])  # the mean of the epoch so far


# %%
learner = build_model(RECIPE.model, statistics=channel_statistics(data.x_train))
initialization.initialize(learner, data.x_train)
constant = replace(RECIPE, schedule="constant", lookahead=False)
learner.compile(constant.build_optimizer(RANGE_STEPS), sparse_loss)
rising = RisingRate(*RANGE, RANGE_STEPS)
shuffled = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
shuffled = shuffled.shuffle(len(data.x_train), seed=SEED).repeat().batch(BATCH)
shuffled = shuffled.with_options(options)
_ = learner.fit(
    shuffled,
    steps_per_epoch=RANGE_STEPS,
    shuffle=False,
    callbacks=[rising],
    verbose=0,
)

# %%
sums = np.array(rising.losses) * np.arange(1, RANGE_STEPS + 1)
losses = np.diff(sums, prepend=0)  # of each batch, from the running means
smooth = pd.Series(losses).ewm(span=5).mean()
lowest = rising.rates[smooth.argmin()]
fig, ax = plt.subplots(figsize=(6.5, 3.2))
ax.semilogx(rising.rates, losses, ":", color="gray", label="one batch")
ax.semilogx(rising.rates, smooth, label="smoothed")
ax.axvline(RECIPE.learning_rate, color="black", linestyle="--", label="recipe's peak")
ax.set(xlabel="learning rate", ylabel="loss (nats)", ylim=(1, 4))
ax.set_title(f"Range test, {data.name}")
ax.legend()
print(f"lowest at {lowest:.2f}; the recipe's peak is {RECIPE.learning_rate}")

# %% [markdown]
# From right to left: near 10 the loss is back at 2.3, that of guessing; above 1 it jumps up and
# down; it is lowest at about 0.6; and it falls fastest somewhat before, between 0.1 and 0.4.
# Below 0.01 nothing happens in so few steps. The recipe's peak, 0.4, lies a little below the
# lowest point, which is the usual choice: a whole training is longer than this test, and what
# just holds for one step need not hold for a thousand. (One run with one seed, and the weights
# had been moved by all the smaller rates before.)

# %% [markdown]
# ## 6 One change at a time
#
# From Adam at its default rate to the recipe, a rung at a time, each on top of those before:
#
# * *SGD*, with momentum and weight decay, at a constant rate;
# * a *triangular rate*, which rises for a fifth of the training and falls to 0 by its end;
# * *whitening* starts the first convolution with filters whose outputs are uncorrelated on the
#   training images' own patches, in pairs of opposite sign, and *identities* let each later one
#   start by passing its inputs on; pixels become z-scores for it, and all layers are trained;
# * *smoothing* asks for 82 instead of 100 % certainty: an image classified with that certainty
#   pulls no more, and one beyond it pulls back;
# * *crop and flip* show each image a little differently in each epoch; *alternating* flips
#   show it both ways in any two successive epochs, instead of by chance;
# * *lookahead* [3] returns, every fifth step, part of the way to an average of the weights.
#
# To afford it, all see the first 25,000 images, at 16 × 16 pixels, and for
# the same number of epochs. What counts is how many seconds it takes until the validation
# accuracy reaches a goal, and how many lines of code a change costs in this package. Some rungs
# change several settings that belong together; the table can't tell which of them helped.


# %%
base = replace(
    RECIPE, optimizer="adam", learning_rate=1e-3, schedule="constant", weight_decay=0.0,
    lookahead=False, label_smoothing=0.0, normalization="unit", initialization="random",
    augmentation=(), epochs=LADDER_EPOCHS, batch_size=BATCH, sides=((1.0, LADDER_SIDE),)
)  # fmt: skip

# %%
sgd = {
    key: getattr(RECIPE, key) for key in ("optimizer", "learning_rate", "weight_decay")
}
whitening = {"normalization": "zscore", "initialization": "whitening"}
rungs = {
    "Adam, constant rate": ({}, []),
    "+ SGD, weight decay": (sgd, []),
    "+ triangular rate": ({"schedule": RECIPE.schedule}, [optimizers.LinearRise]),
    "+ whitening, identities": (whitening, [initialization]),
    "+ smoothing": ({"label_smoothing": RECIPE.label_smoothing}, []),
    "+ crop, alternating flip": (
        {"augmentation": RECIPE.augmentation},
        [augmentation.PadCropFlip],
    ),
    "+ lookahead": ({"lookahead": True}, [optimizers.LookaheadSGD]),
}


# %%
def seconds_to(goal, history):
    """When the validation accuracy gets there, between epochs in a straight line."""
    times = np.cumsum([0.0, *history["seconds"]])
    reached = np.array([0.1, *history["val_accuracy"]])
    if reached.max() < goal:
        return np.nan
    after = int(np.argmax(reached >= goal))
    return np.interp(goal, reached[after - 1 : after + 1], times[after - 1 : after + 1])


# %%
few = {"x_train": data.x_train[:LADDER_IMAGES], "y_train": data.y_train[:LADDER_IMAGES]}
fewer, rows, recipe = replace(data, **few), [], base
for name, (change, code) in rungs.items():
    recipe, cost = replace(recipe, **change), sum(map(lines, code))
    history = train(recipe, fewer, SEED, verbose=0).history
    last, seconds_needed = history["val_accuracy"][-1], seconds_to(GOAL, history)
    rows.append([name, 100 * last, seconds_needed, sum(history["seconds"]), cost])
columns = ["", "last epoch, %", f"seconds to {GOAL:.0%}", "seconds, all", "lines"]
print(f"validation, {data.name}, at {LADDER_SIDE} × {LADDER_SIDE} pixels")
print(pd.DataFrame(rows, columns=columns).round(1).to_string(index=False))

# %% [markdown]
# In accuracy three rungs stand out. SGD at the constant peak rate is far behind Adam, 37.5
# against 58.5 %, and never gets to the goal (`NaN`); with a triangular rate it is eight points
# ahead. The schedule is worth 29 points over that constant rate, for 13 lines; a lower constant
# rate, which we have not tried, would do better than that one. Whitening and identities add
# four points for 32 lines and get to the goal seven seconds earlier. From there on, all end at
# 70.0 to 70.2 %, which one run each can't tell apart, and their seconds to the goal go up and
# down by two or three. That does not make the last three worthless: smoothing, crop and flip
# are meant to work against learning by heart, which three epochs are too short for, and [1]
# reports a gain from lookahead in longer trainings. And Adam is no poor choice: with nothing to
# set, it has 58.5 %.

# %% [markdown]
# ## 7 Train the best one
#
# All together, on all images, and one thing more, *progressive resizing*: seven of the ten
# epochs show the images at 16 × 16 pixels, where a step costs about a quarter, and the last three
# show them whole; the validation images, too. The weights are the same; a convolution does not
# ask how large its map is. A recipe is data; this is all of it that is on. (The network adds
# offsets that learn 64 times as fast as the kernels; SGD's momentum is Nesterov's, 0.9.)

# %%
# NBVAL_CHECK_OUTPUT
for key, value in RECIPE.settings().items():
    print(f"{key}: {value}")

# %%
run = train(RECIPE, data, SEED, epochs=TRAIN_EPOCHS, verbose=0)
print(f"{run.seconds:.0f} s of training, the graphs' building included, on {data.name}")
for epoch, accuracy in enumerate(run.history["val_accuracy"], start=1):
    elapsed = sum(run.history["seconds"][:epoch])
    side = LADDER_SIDE if epoch <= RECIPE.sides[0][0] * TRAIN_EPOCHS else 32
    print(
        f"epoch {epoch:2}: {elapsed:4.0f} s, {accuracy:.1%} at {side} × {side} pixels"
    )

# %% [markdown]
# The seven small epochs take 172 s and bring 74.7 % of the *small* validation images (72.8 to
# 74.7 % over the five runs of [5]). Of the *whole* ones it is 80.1 % after one epoch on them,
# and 84.0 % at the end. How much of the five points between is that epoch's work, and how much
# the larger images alone, this does not tell. The accuracy falls back in epoch 6, as in none of
# the four other runs: never explain a single curve. The three whole epochs take 274 s, so ten
# would have taken twice as long as this, by arithmetic. They took 91 s each here and 73 to 90
# in the five runs, the same training: so much for the speed of a shared machine.

# %% [markdown]
# ## 8 Look six times
#
# An image and its mirror image show the same thing, and so does the image shifted by a pixel.
# A weighted average of the network's outputs for six such views makes it more accurate without
# any training. It costs six times the computation for each image, for as long as the network
# is used, so every table here shows both and the headline is the single view.

# %%
evaluation.predict_probabilities(run.model, data.x_val[:100])  # builds the graph
accuracies = {}
for views in (1, 6):
    start = time.perf_counter()
    probabilities = evaluation.predict_probabilities(run.model, data.x_val, views=views)
    spent = time.perf_counter() - start
    accuracies[views] = np.mean(probabilities.argmax(axis=1) == data.y_val)
    print(f"{views} view(s): {accuracies[views]:.1%} of {data.name}, {spent:.1f} s")

# %% [markdown]
# More than a point, without another step of training, for more than five times the time. With
# everything decided, the test set is opened, once.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
for views in (1, 6):
    probabilities = evaluation.predict_probabilities(run.model, x_test, views=views)
    interval = evaluation.accuracy_interval(y_test, probabilities.argmax(axis=1))
    print(f"test, {views} view(s): {interval}, {data.name}")

# %% [markdown]
# 83.5 and 84.8 %, both a little below the validation figures, but within what 5,000 and 10,000
# images can tell. The baseline of notebook 02 has 77.3 % after 564 s, validation included [4]:
# six points more in less time, from a network with more parameters. Most of that is the
# recipe's doing: by a similar one, the baseline's network reaches 82.3 ± 0.3 % in 319 s [5],
# and `plain_cnn` 85.1 ± 0.7 % in 24 minutes [5]. The mean of five runs of the recipe used here
# is 83.6 % [5].

# %% [markdown]
# ## 9 What changes on a GPU
#
# A graphics processor multiplies many times as fast, so that other things become the limit
# (nothing of this was measured here):
#
# * *Starting a kernel* takes some microseconds, whatever its size. Let XLA fuse small kernels
#   (`jit_compile="auto"` does, on a GPU; on a processor XLA is off by default); raise
#   `steps_per_execution`.
# * *Half precision* comes with its own units: float16 on a T4, bfloat16, too, from Ampere on.
#   `train` picks `mixed_float16` on any GPU, with the loss scaled up so that small gradients
#   are not lost; on a processor, `mixed_bfloat16` where it has units for it.
# * *The input* has to keep up with tens of thousands of images a second: crop and flip belong
#   inside the model, where they run on the device, and must not switch XLA off, as some of
#   Keras' random layers do.
# * *Batches* may grow. With twice the batch, twice the rate is a first guess; test it.

# %% [markdown]
# ## Check your understanding
#
# **1.** A step takes 300 ms, 10 of them for crop and flip. How much faster does training become
# with an augmentation that costs nothing?
#
# <details><summary>Answer</summary>By a thirtieth at most. What takes the most time
# decides what is worth making faster.</details>
#
# **2.** Why does halving the sides of the images make a step about four times as fast, and
# halving the widths of the layers, too?
#
# <details><summary>Answer</summary>A convolution's cost is proportional to the places of the
# map, and to the product of its channels before and after.</details>
#
# **3.** A change gains a third of a point in one run with one seed. What do you know?
#
# <details><summary>Answer</summary>Little: two runs that differ by the seed alone are often as
# far apart. Train several times with and without it.</details>

# %% [markdown]
# ## Summary
#
# | network | validation | test, 95 % interval | parameters | epochs | seconds | device | seeds |
# |---|---|---|---|---|---|---|---|
# | `fast_cnn`, one view | 84.0 % | 83.5 % (82.7 to 84.2) | 498,690 | 10 | 446 | 2 cores | 1 |
# | the same, six views | 85.4 % | 84.8 % (84.1 to 85.5) | 498,690 | 10 | 446 | 2 cores | 1 |
#
# All on `cifar10-q75`, 45,000 training images, last epoch. What each change was worth, in one
# run each unless [5] is named:
#
# | change | gain | lines |
# |---|---|---|
# | oneDNN's convolutions | 1.8 times as fast, in the README's bench [5] | 1 |
# | half precision | not measurable here: this processor has no units for it | 0 |
# | normalisation in one routine | a fourteenth, by arithmetic; these timings can't tell | 35 |
# | input without the tuner | up to a second an epoch here, by luck | 2 |
# | triangular rate | 29 points over the constant peak rate, after three epochs | 13 |
# | whitening, identities | 4 points after three epochs | 32 |
# | smoothing; crop and alternating flip; lookahead | none that three epochs show | 0; 42; 26 |
# | progressive resizing | half of the time, by arithmetic; its cost in accuracy not measured | – |
# | six views | more than a point, for more than five times the time | – |
#
# Measure before you optimise, and know the limit. Switch off the tuner of your input. Count
# seconds to an accuracy, not images a second.

# %% [markdown]
# ## Exercises
#
# Each has a cell for your answer and one that checks it. Solutions, executed:
# [solutions to 05](solutions/05_train_faster.ipynb).

# %% [markdown]
# **Exercise 1 ★** Write `operations_forward(side, window, channels, width)`: how many
# floating-point operations a convolution without biases takes forward for one image. `side` is
# that of the square map that comes out, `window` that of the window; `channels` go in, `width`
# come out. A multiplication and an addition are two operations.


# %% tags=["answer-1"]
def operations_forward(side, window, channels, width):
    return None  # your answer: a whole number


# %% tags=["check-1"]
answers = [operations_forward(16, 3, 32, 64), operations_forward(31, 2, 3, 24)]
print("Exercise 1:", "solved" if answers == [9437184, 553536] else "not solved yet")

# %% [markdown]
# **Exercise 2 ★★** Write `triangle(step, steps, peak)`, a learning rate that rises in a
# straight line from a fifth of the peak to the peak during the first fifth of all steps, and
# then falls in a straight line to 0 at the end.


# %% tags=["answer-2"]
def triangle(step, steps, peak):
    return None  # your answer: a number


# %% tags=["check-2"]
rates = [triangle(step, 100, 0.5) for step in (0, 10, 20, 60, 100)]
rates += [triangle(step, 50, 2.0) for step in (5, 30)]
right = [0.1, 0.3, 0.5, 0.25, 0.0, 1.2, 1.0]
solved = None not in rates and np.allclose(rates, right)
print("Exercise 2:", "solved" if solved else "not solved yet")

# %% [markdown]
# **Exercise 3 ★★★** Write `average_logits(network, images)`: the mean of the network's outputs
# for the images and for their mirror images. Which is more accurate on the validation images,
# averaging logits or averaging probabilities? (The solution asks a network trained for three
# epochs; take `run.model` if you have it.)


# %% tags=["answer-3"]
def average_logits(network, images):
    return None  # your answer: an array of shape (n, 10)


# %% tags=["check-3"]
# For a linear network, the mean of two outputs is the output of the mean image.
keras.utils.set_random_seed(SEED)
linear = keras.Sequential(
    [keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(10)]
)
some = data.x_val[:8].astype("float32")
answer = average_logits(linear, some)
solved = answer is not None and tuple(np.shape(answer)) == (8, 10)
if solved:
    right = linear((some + some[:, :, ::-1]) / 2)
    solved = np.allclose(answer, right, rtol=1e-3, atol=0.1)
    solved = solved and not np.allclose(answer, linear(some), rtol=1e-3, atol=0.1)
print("Exercise 3:", "solved" if solved else "not solved yet")

# %% [markdown]
# ## References
#
# 1. K. Jordan, [94 % on CIFAR-10 in 3.29 Seconds on a Single GPU](https://arxiv.org/abs/2404.00498), 2024.
# 2. L. N. Smith, [Cyclical Learning Rates for Training Neural Networks](https://arxiv.org/abs/1506.01186), 2017.
# 3. M. Zhang et al., [Lookahead Optimizer: k Steps Forward, 1 Step Back](https://arxiv.org/abs/1907.08610), 2019.
# 4. [Notebook 02](02_baseline_cnn.ipynb) of this series.
# 5. The [measured claims](../README.md#measured-claims) of this series, five runs each.
#
# **Previous:** [04 · A residual network](04_residual_network.ipynb)
