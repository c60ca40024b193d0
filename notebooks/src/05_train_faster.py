# %% [markdown]
# # 05 · Train faster
#
# **A network of half a million parameters reaches 83.5 % of the test images after 443 seconds of
# training on two processor cores (`cifar10-q75`, one run); the baseline took 461 s for 77.3 % [4].
# The notebook takes 20 minutes.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/05_train_faster.ipynb)
#
# **You will learn** to
#
# * find out where a training step spends its time, and how far it is from the limit,
# * notice a wait between epochs that nobody ordered, and get rid of it,
# * find a learning rate by a range test,
# * judge each change by the seconds to a given accuracy and by the code that it costs,
# * train a network to more than any before it in this series reaches in so little time.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb), and sections 2 and 4 of
# [03](03_data_augmentation.ipynb) for crop and flip.
#
# **Runtime** 20 minutes on two processor cores (AMD EPYC), most of them for the ladder of
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

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
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
import timeit
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
REPEATS = 5 if FULL else 1  # of everything that is timed
MATRIX = 2048 if FULL else 64  # side of the matrices of the speed test
WAIT_EPOCHS = 4 if FULL else 2
WAIT_SECONDS = 5.5 if FULL else 0.1  # how long an epoch of section 3 should take
MAP_SHAPE = (15, 15, 128)  # on which batch normalisation is tried
RANGE_STEPS = 80 if FULL else 4
RANGE = (1e-3, 10.0)  # of learning rates
LADDER_EPOCHS = 3 if FULL else 1
LADDER_SIDE = 16  # pixels
GOAL = 0.6  # validation accuracy on small images
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
# maximum over what is left of the map, and a linear layer.

# %%
x_batch = data.x_train[:BATCH]
y_batch = keras.utils.to_categorical(data.y_train[:BATCH], 10)
model = build_model(RECIPE.model, statistics=channel_statistics(data.x_train))
optimizer = RECIPE.build_optimizer(1_000)
optimizer.build(model.trainable_variables)
crop_and_flip = augmentation.PadCropFlip(2, flip="alternating")
loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)

# %% [markdown]
# Each of these functions goes one part further than the one before it, so that the
# difference between two is the cost of a part. `tf.function` makes each a graph, as `fit`
# does.


# %%
@tf.function
def transformed(images):
    return crop_and_flip(images, training=True)


@tf.function
def forward(images):
    return model(transformed(images), training=True)


@tf.function
def whole_step(images, labels):
    with tf.GradientTape() as tape:
        loss = loss_of(labels, forward(images))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)


# %%
def seconds(step):
    """The quickest of some repeats, after one that builds the graph."""

    def done():
        step()
        tf.test.experimental.sync_devices()  # a GPU may still be at work

    done()
    return min(timeit.repeat(done, number=1, repeat=REPEATS))


# %%
order = np.random.default_rng(SEED).permutation(len(data.x_train))[:BATCH]
until = {
    "gather": seconds(lambda: data.x_train[order]),
    "crop and flip": seconds(lambda: transformed(x_batch)),
    "forward": seconds(lambda: forward(x_batch)),
    "back, update": seconds(lambda: whole_step(x_batch, y_batch)),
}

# %% [markdown]
# Gathering is not part of the graphs and counts on its own. The others are differences: the
# way forward is the time of `forward` less that of `transformed`, and so on.

# %%
names, times = list(until), np.array(list(until.values()))
spent = np.diff(times, prepend=0)
spent[:2] = times[:2]
total = spent.sum()
for part, time_of_part in zip(names, spent, strict=True):
    print(f"{part:<14} {1e3 * time_of_part:6.1f} ms {time_of_part / total:6.1%}")

# %% [markdown]
# Of 467 ms, crop and flip take 4, one percent: nobody needs a faster augmentation here. The
# network takes all the rest, 131 ms forward and two and a half times that on the way back, the
# update of the weights included. (Measured apart, the update is a difference of two noisy
# figures, and once came out negative.) So it is the way forward and back that has to become
# cheaper, or there have to be fewer steps.

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
# Four of the seven convolutions do nine tenths of the work, and the largest share is not at
# the input, where maps are large, nor at the end, where they have many channels, but in
# between. The whitening convolution is nearly free. A batch of 256 images is some 51 billion
# operations. What could the processor do at best? The product of two large matrices is the most regular
# work there is, each number fetched is used thousands of times, and libraries have been
# tuned for it for decades. Nothing in a network will be faster than that.

# %%
matrix = tf.random.normal((MATRIX, MATRIX))
product = seconds(tf.function(lambda: tf.matmul(matrix, matrix)))
limit = 2 * MATRIX**3 / product / 1e9
reached = operations["MFLOP"].sum() * BATCH / total / 1e3
print(f"matrix product: {limit:5.0f} GFLOP/s")
print(f"training step:  {reached:5.0f} GFLOP/s, {reached / limit:.0%} of it")
print(f"                {BATCH / total:5,.0f} images a second")
print(f"precision: {best_precision()}")

# %% [markdown]
# The quickest step does 70 % of what the product of two matrices does. That is good, and it is bad
# news: cleverer programming could at best save the rest. Whoever wants more accuracy a
# second from this processor has to ask for fewer operations: smaller images, or fewer epochs to
# the same accuracy. Or for smaller numbers: processors with units for bfloat16, which this one
# lacks, multiply twice as many of them a second, or more.

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
    "own dataset": (dataset.with_options(options),),
}

# %% [markdown]
# The number of images is chosen so that the steps of an epoch take six or seven seconds on
# this machine, whichever it is. The first epoch also builds the graph, and is not shown.

# %%
sparse_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for name, given in inputs.items():
    learner = build_model(RECIPE.model)
    learner.compile(keras.optimizers.SGD(0.01), sparse_loss)
    gaps = Gaps()
    shuffle = name == "arrays"  # the dataset does it by itself
    learner.fit(
        *given, epochs=WAIT_EPOCHS + 1, shuffle=shuffle, callbacks=[gaps], verbose=0
    )
    for spent, wait in zip(gaps.steps[1:], gaps.waits[1:], strict=False):
        print(f"{name}: {spent:.1f} s of steps, then {wait:.2f} s of waiting")

# %% [markdown]
# With arrays there is a wait after each epoch, of 0.15, 0.46 and 4.95 s; with a dataset of our own
# there is none. What happens: from arrays, `fit` makes a pipeline that tunes itself while it
# runs, in a thread of its own. After each epoch it is taken down, which has to wait until that
# thread wakes up, and it sleeps twice as long each time: until some 5, 10, 20, 41 or 82 seconds
# after its start. The first two epochs end just before it wakes up and are lucky: 5.0 and 0.15 s
# make 5.2, 4.6 and 0.46 make 5.1. The third ends just after, and waits for the next time: 5.3
# and 4.95 make 10.2. How much one loses is thus a matter of luck: an epoch of
# 6 seconds loses four, an epoch of 50 seconds 32. The remedy is one option of the
# dataset, which switches the tuner off, and `train` of this package sets it.

# %% [markdown]
# ## 4 Normalise in one routine
#
# Keras puts batch normalisation together from a dozen elementary operations, each of which
# reads and writes the whole map: the mean, the differences from it, their squares, and so on.
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
alone = {name: seconds(forward_and_back(a, maps)) for name, a in both.items()}
pixels = tf.cast(x_batch, "float32")
stock = with_stock_layers(build_model(RECIPE.model))
networks = {"Keras": stock, "fused": build_model(RECIPE.model)}
inside = {name: seconds(forward_and_back(a, pixels)) for name, a in networks.items()}
for what, times in (("the layer alone", alone), ("the network", inside)):
    ratio = times["Keras"] / times["fused"]
    print(f"{what}: {1e3 * times['Keras']:.0f} ms by Keras, ", end="")
    print(f"{1e3 * times['fused']:.0f} fused: {ratio:.2f} times as fast")
print("lines of code:", lines(FusedBatchNormalization))

# %% [markdown]
# The layer is twice as fast, and the network is not faster at all. The map that we tried, 15 × 15
# of 128 channels, has 28,800 values an image, about as many as all six normalisations of this
# network have together, 29,248, since it pools before it normalises. So some 25 ms should be
# saved of 387, and in such timings they are lost. In a network that normalises large maps there
# is more to gain. A part that takes a tenth of the time can't save more than a tenth, however
# fast it becomes. A figure like "twice as fast" needs to be followed by "what?".

# %% [markdown]
# ## 5 Which learning rate?
#
# No setting matters more, and a bad guess costs whole trainings. A range test [2] costs one
# minute: train for a few dozen steps while the rate rises from far too small to far too
# large, by the same factor each step, and look at the loss. Where it falls fastest the rate
# is good; where it turns upwards the rate is too large to go on with. The optimiser is the
# recipe's, SGD, and the network's outputs are divided by nine, without which such rates
# would be far too high for it.


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
ax.axvline(RECIPE.learning_rate, color="black", linestyle="--", label="the recipe's")
ax.set(xlabel="learning rate", ylabel="loss (nats)", ylim=(0.5, 4))
ax.set_title(f"Range test, {data.name}")
ax.legend()
print(f"lowest at {lowest:.2f}; the recipe's peak is {RECIPE.learning_rate}")

# %% [markdown]
# From right to left: near 10 the training breaks; above 1 the loss jumps up and down; it
# is lowest at about 0.6; and it falls fastest somewhat before, between 0.1 and 0.4. Below 0.01
# nothing happens in so few steps. The recipe's peak, 0.4, lies a little below the lowest point,
# which is the usual choice: a whole training is longer than this test, and what just holds for
# one step need not hold for a thousand. (One run with one seed, and the weights had been moved by
# all the smaller rates before.)

# %% [markdown]
# ## 6 One change at a time
#
# From Adam at its default rate to the recipe, a rung at a time, each on top of those before:
#
# * *SGD*, with momentum and weight decay, at a constant rate;
# * a *triangular rate*, which rises for a fifth of the training and falls to 0 by its end;
# * *whitening* makes the first convolution one whose outputs are uncorrelated on the training
#   images' own patches, in pairs of opposite sign, and *identities* let each later one start
#   by passing its inputs on; pixels become z-scores for it;
# * *smoothing* asks for 82 instead of 100 % certainty, so that images classified correctly
#   already pull less;
# * *crop and flip* show each image a little differently in each epoch; *alternating* flips
#   show it both ways in any two epochs, instead of by chance;
# * *lookahead* [3] returns, every fifth step, part of the way to an average of the weights.
#
# To afford it, all see their images at 16 × 16 pixels, about a quarter of the work, and for
# the same number of epochs. What counts is how many seconds it takes until the validation
# accuracy reaches a goal, and how many lines of code a change costs in this package. Some rungs
# change several settings that belong together; the table can't tell which of them helped.


# %%
base = replace(
    RECIPE, optimizer="adam", learning_rate=1e-3, schedule="constant", weight_decay=0.0,
    lookahead=False, label_smoothing=0.0, normalization="unit", initialization="random",
    augmentation=(), epochs=LADDER_EPOCHS, batch_size=BATCH, sides=((1.0, LADDER_SIDE),)
)  # fmt: skip
sgd = {
    key: getattr(RECIPE, key) for key in ("optimizer", "learning_rate", "weight_decay")
}
whitening = {"normalization": "zscore", "initialization": "whitening"}

# %%
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
rows, recipe, cost = [], base, 0
for name, (change, code) in rungs.items():
    recipe, cost = replace(recipe, **change), sum(map(lines, code))
    history = train(recipe, data, SEED, verbose=0).history
    last, seconds_needed = history["val_accuracy"][-1], seconds_to(GOAL, history)
    rows.append([name, 100 * last, seconds_needed, sum(history["seconds"]), cost])
columns = ["", "last epoch, %", f"seconds to {GOAL:.0%}", "seconds, all", "lines"]
print(f"validation, {data.name}, at {LADDER_SIDE} × {LADDER_SIDE} pixels")
print(pd.DataFrame(rows, columns=columns).round(1).to_string(index=False))

# %% [markdown]
# In accuracy three rungs stand out. SGD at the constant peak rate is far behind Adam, 50.1 against
# 65.9 %, and with a triangular rate five points ahead of it: the schedule is worth 21 points, for
# 13 lines. It is later at 60 % than Adam, for its rate is high in the middle and the gain comes
# when it falls. Whitening and identities add three points for 31 lines. From there on, all
# end at 73.9 or 74.0 %, which one run each can't tell apart. That does not make the last three
# worthless: smoothing, crop and flip work against learning by heart, which three epochs are too
# short for, and averages pay where the rate stays high for long. The seconds to 60 % go up and
# down by several from one rung to the next; whitening's eight and lookahead's thirteen are a hint,
# no more. And Adam is no poor choice: with nothing to set, it has 65.9 %.

# %% [markdown]
# ## 7 Train the best one
#
# All together, and one thing more, *progressive resizing*: seven of the ten epochs show the
# images at 16 × 16 pixels, where a step costs about a quarter, and the last three show them whole.
# The weights are the same; a convolution does not ask how large its map is. A recipe is
# data; this is all of it that is on.

# %%
# NBVAL_CHECK_OUTPUT
for key, value in RECIPE.settings().items():
    print(f"{key}: {value}")

# %%
run = train(RECIPE, data, SEED, epochs=TRAIN_EPOCHS, verbose=0)
print(f"{run.seconds:.0f} s of training, the graphs' building included, on {data.name}")
for epoch, accuracy in enumerate(run.history["val_accuracy"], start=1):
    elapsed = sum(run.history["seconds"][:epoch])
    print(f"epoch {epoch:2}: {elapsed:4.0f} s, {accuracy:.1%} of the validation images")

# %% [markdown]
# The seven small epochs take 166 s and bring 74.7 %, the three whole ones take 277 s and bring nine
# points more. At 16 × 16 pixels the accuracy climbs to 68 % in five epochs, falls back
# once, and gains eight points in the seventh. One epoch of whole images adds five more: the
# filters serve both sizes, once they have been adjusted. Ten whole epochs would have taken twice
# as long, by arithmetic. And 175 steps of 467 ms make 82 s; the whole epochs took 89 to 97,
# for the profile took the quickest of five steps, and `fit` does a few things more.

# %% [markdown]
# ## 8 Look six times
#
# An image and its mirror image show the same thing, and so does the image shifted by a pixel.
# Averaging the network's outputs over six such views makes it more accurate without
# any training. It costs six times the computation for each image, for as long as the network
# is used, so every table here shows both and the headline is the single view.

# %%
accuracies = {}
for views in (1, 6):
    start = time.perf_counter()
    probabilities = evaluation.predict_probabilities(run.model, data.x_val, views=views)
    spent = time.perf_counter() - start
    accuracies[views] = np.mean(probabilities.argmax(axis=1) == data.y_val)
    print(f"{views} view(s): {accuracies[views]:.1%} of {data.name}, {spent:.1f} s")

# %% [markdown]
# More than a point, without another step of training, for six times the time. With everything decided, the test set is opened, once.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
for views in (1, 6):
    probabilities = evaluation.predict_probabilities(run.model, x_test, views=views)
    interval = evaluation.accuracy_interval(y_test, probabilities.argmax(axis=1))
    print(f"test, {views} view(s): {interval}, {data.name}")

# %% [markdown]
# 83.5 and 84.8 %, both a little below the validation figures, but within what 5,000 and 10,000
# images can tell. The baseline of notebook 02 has 77.3 % after 461 s, validation included [4]: six
# points more in about the same time, from a network with more parameters and far more operations.
# Most of that is the recipe's doing: by a similar one, the baseline's network reaches
# 82.3 ± 0.3 % in 319 s [5], and `plain_cnn` 85.1 ± 0.7 % in 24 minutes [5]. The mean of five runs
# of the recipe used here is 83.6 % [5].

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
# <details><summary>Answer</summary>Little: two runs that differ by the seed alone are as far
# apart. Train several times with and without it.</details>

# %% [markdown]
# ## Summary
#
# | network | validation | test, 95 % interval | parameters | epochs | seconds | device | seeds |
# |---|---|---|---|---|---|---|---|
# | `fast_cnn`, one view | 84.0 % | 83.5 % (82.7 to 84.2) | 498,690 | 10 | 443 | 2 cores | 1 |
# | the same, six views | 85.4 % | 84.8 % (84.1 to 85.5) | 498,690 | 10 | 443 | 2 cores | 1 |
#
# All on `cifar10-q75`, 45,000 training images, last epoch. What each change was worth:
#
# | change | gain | lines |
# |---|---|---|
# | half precision | not measurable here: this processor has no units for it | 0 |
# | normalisation in one routine | some 25 ms of 387 a step, by arithmetic | 35 |
# | input without the tuner | up to 5 s an epoch | 2 |
# | triangular rate | 21 points after three epochs | 13 |
# | whitening, identities | 3 points after three epochs, 60 % 8 s sooner | 31 |
# | smoothing; crop and alternating flip; lookahead | none that three epochs show | 0; 42; 26 |
# | progressive resizing | half of the time, by arithmetic | – |
# | six views | more than a point, for six times the time | – |
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
# floating-point operations a convolution takes forward for one image, on a square map.


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
solved = None not in rates and np.allclose(rates, [0.1, 0.3, 0.5, 0.25, 0.0])
print("Exercise 2:", "solved" if solved else "not solved yet")

# %% [markdown]
# **Exercise 3 ★★★** Write `average_logits(network, images)`: the mean of the network's outputs
# for the images and for their mirror images. Which is more accurate with `run.model` on the
# validation images, averaging logits or averaging probabilities?


# %% tags=["answer-3"]
def average_logits(network, images):
    return None  # your answer: an array of shape (n, 10)


# %% tags=["check-3"]
untrained = build_model("fast_cnn")
some = data.x_val[:8]
answer = average_logits(untrained, some)
solved = answer is not None and tuple(np.shape(answer)) == (8, 10)
if solved:
    mirrored = average_logits(untrained, some[:, :, ::-1])
    changed = not np.allclose(answer, untrained(some), atol=1e-5)
    solved = changed and np.allclose(answer, mirrored, atol=1e-5)
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
