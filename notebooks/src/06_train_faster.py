# %% [markdown]
# # 05 · Train faster
#
# **A network of half a million parameters classifies 87.6 % of the test images correctly after 220
# seconds of training on two processor cores with units for bfloat16 (`cifar10-q75`, 45,000
# training images, one run). The notebook takes 9 minutes.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/05_train_faster.ipynb)
#
# **You will learn** to
#
# * find out where a training step spends its time, and how far it is from the limit,
# * notice a wait between epochs that nobody ordered, and get rid of it,
# * find a learning rate by a range test,
# * judge each change by the seconds to a given accuracy and by the code that it costs,
# * train a network to an accuracy that no earlier one of this series reaches in the same time.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb), and sections 2 and 4 of
# [03](03_data_augmentation.ipynb) for crop and flip.
#
# **Runtime** 9 minutes on two processor cores (Intel Xeon with units for bfloat16), most of them
# for the training of section 7, the waiting of section 3 and the ladder of section 6. Cores
# without such units take several times as long.

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

from cifar_utils.notebook import quiet_stderr

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

from cifar_utils import augmentation, evaluation
from cifar_utils.data import channel_statistics, load_cifar10, load_cifar10_test
from cifar_utils.fast import machine, optimizers, whitening
from cifar_utils.fast.accelerate import (
    FusedBatchNormalization,
    SmallMapConv2D,
    accelerate,
)
from cifar_utils.models import build_model
from cifar_utils.notebook import profile
from cifar_utils.training import RECIPES, build_optimizer, train

# %%
PROFILE = profile()
print("profile:", PROFILE)
print("versions:", machine.versions())
print("machine:", machine.hardware())
print("devices:", DEVICES)
PRECISION = machine.best_precision()
print("fastest precision here:", PRECISION)

# %% [markdown]
# ## Settings
#
# The recipe is an earlier one of `fast_cnn`, by SGD; today's takes half as many epochs.

# %% tags=["parameters"]
SEED = 0
FULL = PROFILE == "full"
LIMIT = None if FULL else 600
VAL_SIZE = 5_000 if FULL else 200
TEST_LIMIT = None if FULL else 500
EARLIER = {"epochs": 23, "batch_size": 256, "optimizer": "sgd", "learning_rate": 0.4}
EARLIER |= {"warmup": 0.2, "weight_decay": 9e-3, "lookahead": True, "offset_rate": 64.0}
EARLIER |= {"whitening_epochs": 0, "sides": ((0.44, 16),), "model_options": {}}
EARLIER["source"] = "ours, after K. Jordan 2024, arXiv:2404.00498; small images first"
RECIPE = replace(RECIPES["fast_cnn"], **EARLIER)
BATCH = RECIPE.batch_size if FULL else 32
TURNS = 15 if FULL else 1  # of everything that is timed
MATRIX = 2048 if FULL else 64  # side of the matrices of the speed test
SMALL_MAP = (7, 7, 128)  # for which a convolution's gradient is timed
WAIT_EPOCHS = 4 if FULL else 2
WAIT_SECONDS = 6.5 if FULL else 0.1  # how long an epoch of section 3 should take
RANGE_STEPS = 80 if FULL else 4
RANGE = (1e-3, 10.0)  # of learning rates
LADDER_EPOCHS = 5 if FULL else 1
LADDER_IMAGES = 25_000 if FULL else 400
LADDER_SIDE = 16  # pixels
RUNGS = None if FULL else 2  # how many to climb; None for all
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
# maximum over what is left of the map, and a linear layer, whose outputs are divided by nine.
# The first convolution is given its weights, see section 6, and learns nothing.


# %%
def build(precision, faster=True):
    """The network, its convolutions in that precision, its first layer frozen."""
    keras.config.set_dtype_policy(precision)
    network = build_model(RECIPE.model, statistics=channel_statistics(data.x_train))
    keras.config.set_dtype_policy("float32")
    whitening.initialize(network, data.x_train)
    return accelerate(network) if faster else network


# %%
x_batch = data.x_train[:BATCH]
y_batch = keras.utils.to_categorical(data.y_train[:BATCH], 10)
model = build(PRECISION)
optimizer = build_optimizer(RECIPE, 1_000)
optimizer.build(model.trainable_variables)
crop_and_flip = augmentation.PadCropFlip(2, flip="alternating")
for layer in model.layers:
    print(f"{layer.name:<16} {' × '.join(map(str, layer.output.shape[1:]))}")

# %% [markdown]
# In each stage the first normalisation comes after the pooling, where maps are smaller. Each of
# the functions below goes one part further than the one before it, so that the difference between
# two is the cost of a part. `tf.function` makes each a graph, as `fit` does (which also uses XLA
# on a GPU). A processor that others use, too, is now faster and now slower, so the steps take
# turns, and a busy spell hits all of them.


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
# Of 59 ms, crop and flip take 3.1, a twentieth: there is next to nothing to gain from a faster
# augmentation. The update of the weights takes three milliseconds (a small difference of two large
# figures, so don't trust it). The network has all the rest, 16 ms forward and more than twice that
# on the way back, which is more than the count of operations in section 2 explains. So it is these
# that have to become cheaper, or there have to be fewer steps.
#
# ## 2 How fast could it be?
#
# To know whether a step is slow, one has to know how fast it could be. A cost model: a convolution
# of k × k windows from C to D channels, on a map of H × W places, takes H·W·k²·C·D multiplications
# and as many additions. Going back, it takes as many again for the gradients of the weights, and
# again for those of its inputs. The first layer is frozen and needs neither, the second only the
# former. Activations, poolings and normalisation take a few operations for each value, next to
# nothing beside the hundreds that a convolution spends on it; what they cost is the way to the
# memory and back.


# %%
# NBVAL_CHECK_OUTPUT
def step_operations(network):
    """Millions of floating-point operations of a training step, for one image."""
    rows, learned = {}, False  # whether a layer before needs a gradient
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            places = layer.output.shape[1] * layer.output.shape[2]
            passes = 1 + layer.trainable + learned
            learned = learned or layer.trainable
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
# input, where maps are large but have few channels, nor at the end, where they have many but few
# places, but in between. The whitening convolution is nearly free. A batch of 256 images is some
# 47 billion operations. What could the processor do at best? The product of two large matrices is
# the most regular work there is, each number fetched is used thousands of times, and libraries
# have been tuned for it for decades. Hardly anything in a network will be faster than that.


# %%
def product_of(matrix):
    return tf.function(lambda: tf.matmul(matrix, matrix))


matrix = tf.random.normal((MATRIX, MATRIX))
numbers = {"float32": matrix, "bfloat16": tf.cast(matrix, "bfloat16")}
products = in_turns({name: product_of(values) for name, values in numbers.items()})
limits = {name: 2 * MATRIX**3 / t.min() / 1e9 for name, t in products.items()}
for name, limit in limits.items():
    print(f"matrix product, {name}: {limit:,.0f} GFLOP/s")
reached = operations["MFLOP"].sum() * BATCH / total / 1e3
print(f"training step, {PRECISION}: {reached:,.0f} GFLOP/s, ", end="")
print(f"{BATCH / total:,.0f} images a second")

# %% [markdown]
# GFLOP/s are 10⁹ operations a second. *bfloat16* is a number of 16 bits, with the range of
# float32, but 8 instead of 24 binary digits; `mixed_bfloat16` computes with such numbers and keeps
# the weights in float32. With 16 bits instead of 32, this processor multiplies more than four
# times as fast: it has units for just that. The step, in `mixed_bfloat16`, does more than half of
# what the product of two matrices does. That is good, and it is bad news: cleverer programming
# could at best save less than half of the time. Whoever wants more accuracy a second has to ask
# for fewer operations: smaller images, or fewer epochs to the same accuracy.
#
# One line of the setup, `TF_ENABLE_ONEDNN_OPTS`, lets TensorFlow use the convolutions of the
# oneDNN library. On this processor it does so anyway. On some that lack these units it does not;
# on one of those, the line nearly doubled the speed. It has to come before TensorFlow is imported.
#
# ## 3 A wait that nobody ordered
#
# Between the last step of an epoch and the first of the next, nothing should happen but some
# shuffling. Let `fit` train on arrays, as in most tutorials, and time that gap with a
# callback. Then let it train on the same images from a dataset of our own, once as it is, and once
# with its tuner switched off.


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


# %% [markdown]
# The network is in float32 here, as Keras builds it. How long an epoch takes decides how long the
# wait is, so time a step first, and take as many images as fill an epoch of six and a half seconds.
# Of five epochs three will be shown: the first one also builds the graph, and the last has no
# epoch to wait for.

# %%
sparse_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def stock_learner():
    learner = build_model(RECIPE.model)
    learner.compile(keras.optimizers.SGD(0.01), sparse_loss)
    return learner


learner = stock_learner()
x_some, y_some = data.x_train[order], data.y_train[order]
times = in_turns({"fit": lambda: learner.train_on_batch(x_some, y_some)})["fit"]
per_epoch = max(
    1, min(int(WAIT_SECONDS / np.median(times)), len(data.x_train) // BATCH)
)
print(f"a step takes {1e3 * np.median(times):.0f} ms, an epoch has {per_epoch}")

# %%
count = per_epoch * BATCH
x_few, y_few = data.x_train[:count], data.y_train[:count]
dataset = tf.data.Dataset.from_tensor_slices((x_few, y_few)).shuffle(count).batch(BATCH)
untuned = tf.data.Options()
untuned.autotune.enabled = False
inputs = {
    "arrays": (x_few, y_few, BATCH),
    "own dataset": (dataset,),
    "untuned": (dataset.with_options(untuned),),
}

# %%
for name, given in inputs.items():
    gaps = Gaps()
    shuffle = name == "arrays"  # the datasets do it by themselves
    stock_learner().fit(
        *given, epochs=WAIT_EPOCHS + 1, shuffle=shuffle, callbacks=[gaps], verbose=0
    )
    for spent, wait in zip(gaps.steps[1:], gaps.waits[1:], strict=False):
        print(f"{name}: {spent:.1f} s of steps, then {wait:.2f} s of waiting")

# %% [markdown]
# With arrays and with a dataset of our own there is a wait of three or four seconds after almost
# every epoch, half as long as the epoch; without the tuner there is none. What happens: the
# pipeline tunes itself while it runs, in a thread of its own. After each epoch it is taken down,
# which has to wait until that thread wakes up, and it sleeps twice as long each time: until some
# 5, 10, 20.5, 41 or 82 seconds after its start. Add up the lines: 6.1 and 4.10 s make 10.2, and so
# do 7.1 and 3.08, 6.5 and 3.69, 7.2 and 3.01; 7.5 and 2.78 make 10.3. (Why one epoch, of 7.0 s,
# had no wait at all, we can't explain.) How much one loses is thus a matter of luck: by this rule,
# epochs of 10 seconds would lose nearly nothing, and epochs of 21 seconds 20. The remedy is one
# option of the dataset, which switches the tuner off, and `train` of this package sets it.
#
# ## 4 Cheaper steps
#
# Keras puts batch normalisation together from elementary operations, and five of them read the
# whole map: for the mean, the squared differences from it, their mean, a product and a sum.
# TensorFlow has one routine for all of it, and this package a layer that calls it,
# `FusedBatchNormalization`. A faster layer is worth nothing if it computes something else.
# So first: is it the same, in its outputs and in the variances that it keeps for later? (Tests of
# the package compare gradients, too.)

# %%
maps = keras.random.normal((BATCH, 15, 15, 32), mean=3.0, seed=SEED)
both = {"Keras": layers.BatchNormalization(), "fused": FusedBatchNormalization()}
outputs = {name: layer(maps, training=True) for name, layer in both.items()}
difference = np.abs(outputs["Keras"] - outputs["fused"]).max()
moved = [layer.moving_variance.numpy() for layer in both.values()]
print(f"largest difference of outputs {difference:.0e}, ", end="")
print(f"of moving variances {np.abs(moved[0] - moved[1]).max():.0e}")

# %% [markdown]
# It is, but for rounding. Then: what is it worth in the network, forward and back, beside two
# other changes? *Half precision*, where the processor has units for it: the convolutions take
# and give numbers of 16 bits, while the weights themselves are kept in 32. And a *frozen first
# layer*: no gradient has to go back to where the maps are largest. Each is added to those
# before it.


# %%
def forward_and_back(network):
    """A graph of the network's outputs and of its weights' gradients."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(y_batch, network(x_batch, training=True))
        return tape.gradient(loss, network.trainable_variables)

    return step


# %%
def lines(thing):
    """Lines of code on which a statement begins; documentation is not counted."""
    nodes = ast.walk(ast.parse(inspect.getsource(thing)))
    statements = [n for n in nodes if isinstance(n, ast.stmt)]
    code = [n for n in statements if not ast.unparse(n).startswith(("'", '"'))]
    return len({n.lineno for n in code})


# %%
networks = {
    "Keras' layers, float32": build("float32", faster=False),
    "+ fused normalisation": build("float32"),
    f"+ {PRECISION}": build(PRECISION),
    "+ first layer frozen": build(PRECISION),
}
for network in list(networks.values())[:-1]:
    network.get_layer("whitening_conv").trainable = True

# %%
times = in_turns({name: forward_and_back(a) for name, a in networks.items()})
before = None
for name, values in times.items():
    told = f"{name:<24} {1e3 * np.median(values):5.0f} ms"
    if before is not None:
        low, middle, high = np.quantile(before / values, [0.25, 0.5, 0.75])
        told += (
            f"; {middle:.2f} times as fast, half of the turns {low:.2f} to {high:.2f}"
        )
    print(told)
    before = values
print("lines of code:", lines(FusedBatchNormalization), "for fused normalisation")

# %% [markdown]
# Milliseconds are the median over turns, and so are the factors, each of which compares neighbours
# in time. They need not agree to the digit, and the factors are the ones to trust. Half precision
# is the great gain: 3.60 times as fast (a little of it is the gradient by a convolution below,
# which the network uses in this precision only). The frozen first layer makes a step 1.15 times as
# fast, though it does hardly any of the operations: what costs is the way of the gradient to it,
# through the second convolution and the largest maps. Normalisation in one routine makes it 1.11
# times as fast, measured in float32. In a network that normalises large maps there is more to
# gain; this one pools before it normalises. Rounding to 16 bits and freezing a layer could cost
# accuracy; here we have only the time.
#
# The way back has one more surprise. By the count of section 2, a convolution takes as many
# operations forward as for the gradient of its kernel. For the maps of `stage3_1_conv`, 7 × 7
# places with 128 channels, time both. The gradient of a weight is a sum, over all places of all
# images, of what stood at the input times the loss's gradient at the output. A convolution sums
# over the places of a window and over *channels*. So `SmallMapConv2D` of this package lets images
# and channels change places: then that gradient is a convolution, too. Its window is as large as
# the map, and fits into the padded map at 3 × 3 places, which are those of the kernel.

# %%
maps = keras.random.normal((BATCH, *SMALL_MAP), seed=SEED)
options = {"padding": "same", "use_bias": False, "dtype": PRECISION}
both = {
    "Keras": layers.Conv2D(SMALL_MAP[-1], 3, **options),
    "by a convolution": SmallMapConv2D(SMALL_MAP[-1], 3, **options),
}
outputs = [layer(maps) for layer in both.values()]  # builds them


# %%
def kernel_gradient(layer):
    @tf.function
    def step():
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(maps))
        return tape.gradient(total, layer.trainable_variables)

    return step


# %%
steps = {"forward": tf.function(lambda: both["Keras"](maps))}
steps |= {f"gradient, {name}": kernel_gradient(a) for name, a in both.items()}
for name, values in in_turns(steps).items():
    print(f"{name:<26} {1e3 * np.median(values):5.1f} ms")
print("lines of code:", lines(SmallMapConv2D))

# %% [markdown]
# For as many operations, the gradient takes three times as long as the way forward; as a
# convolution it takes less than six tenths of that, with everything laid out anew in memory
# before. Why, one can guess: the units for bfloat16 sum over blocks of 32 numbers; along a row of
# seven most of a block stays empty, and 256 images fill it. On maps of more than eight places a
# side it did not pay, and the layer leaves the gradient to Keras. Three of the seven convolutions
# of `fast_cnn` have smaller maps, and five of them on images of 16 × 16 pixels. (Lines of code are
# those on which a statement begins.)
#
# ## 5 Which learning rate?
#
# No setting matters more, and a bad guess costs whole trainings. A range test [2] costs less
# than a minute: train for 80 steps while the rate rises from far too small to far too
# large, by the same factor each step, and look at the loss. Where it falls fastest the rate
# is good; where it turns upwards the rate is too large to go on with. The optimiser is the
# recipe's, SGD; its augmentation, smoothing, lookahead and half precision are left out.


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
whitening.initialize(learner, data.x_train)
constant = replace(RECIPE, schedule="constant", lookahead=False)
learner.compile(build_optimizer(constant, RANGE_STEPS), sparse_loss)
rising = RisingRate(*RANGE, RANGE_STEPS)
shuffled = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
shuffled = shuffled.shuffle(len(data.x_train), seed=SEED).repeat().batch(BATCH)
shuffled = shuffled.with_options(untuned)
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
# From right to left: beyond 7 the loss shoots up, and at 10 it is far above 2.3, that of guessing;
# between 0.4 and 4 it is nearly flat and jumps up and down, lowest at about 0.6, which another
# seed would place elsewhere; and it falls fastest before, between 0.1 and 0.4. Below 0.01
# nothing happens in so few steps. The recipe's peak, 0.4, lies a little below the lowest point,
# which is the usual choice: a whole training is longer than this test, and what just holds for
# one step need not hold for a thousand. (One run with one seed, and the weights had been moved by
# all the smaller rates before.)
#
# ## 6 One change at a time
#
# From Adam at its default rate to the recipe, a rung at a time, each on top of those before:
#
# * *SGD*, with momentum and weight decay, at a constant rate;
# * a *triangular rate*, which rises for a fifth of the training and falls to 0 by its end;
# * *whitening* starts the first convolution with filters whose outputs are uncorrelated on the
#   training images' own patches, in pairs of opposite sign, and *identities* let each later one
#   start by passing its inputs on; pixels become z-scores for it, and the first one is frozen;
# * *smoothing* asks for 82 instead of 100 % certainty: an image classified with that certainty
#   pulls no more, and one beyond it pulls back;
# * *crop and flip* show each image a little differently in each epoch; *alternating* flips
#   show it both ways in any two successive epochs, instead of by chance;
# * *lookahead* [3] returns, every fifth step, part of the way to an average of the weights.
#
# To afford it, all see the first 25,000 images, at 16 × 16 pixels, for five epochs each. What
# counts is how many seconds it takes until the validation accuracy reaches a goal, and how many
# lines of code a change costs in this package. Some rungs change several settings that belong
# together; the table can't tell which of them helped.


# %%
base = replace(
    RECIPE, optimizer="adam", learning_rate=1e-3, schedule="constant", weight_decay=0.0,
    lookahead=False, offset_rate=1.0, label_smoothing=0.0, normalization="unit",
    initialization="random",
    augmentation=(), epochs=LADDER_EPOCHS, batch_size=BATCH, sides=((1.0, LADDER_SIDE),)
)  # fmt: skip

# %%
settings = ("optimizer", "learning_rate", "weight_decay", "offset_rate")
sgd = {key: getattr(RECIPE, key) for key in settings}
zscores = {"normalization": "zscore", "initialization": "whitening"}
rungs = {
    "Adam, constant rate": ({}, []),
    "+ SGD, weight decay": (sgd, []),
    "+ triangular rate": ({"schedule": RECIPE.schedule}, [optimizers.LinearRise]),
    "+ whitening, identities": (zscores, [whitening]),
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
for name, (change, code) in list(rungs.items())[:RUNGS]:
    recipe, cost = replace(recipe, **change), sum(map(lines, code))
    history = train(recipe, fewer, SEED, verbose=0).history
    last, seconds_needed = history["val_accuracy"][-1], seconds_to(GOAL, history)
    rows.append([name, 100 * last, seconds_needed, sum(history["seconds"]), cost])
columns = ["", "last epoch, %", f"seconds to {GOAL:.0%}", "seconds, all", "lines"]
print(f"validation, {data.name}, at {LADDER_SIDE} × {LADDER_SIDE} pixels")
print(pd.DataFrame(rows, columns=columns).round(1).to_string(index=False))

# %% [markdown]
# In accuracy the triangular rate stands out: 69.3 %, more than eight points above Adam at its
# constant rate. SGD at the constant peak rate ends at 21.9 %, but don't blame its weights alone:
# at a high rate they move so fast that the averages which normalisation keeps for inference, over
# some ten batches, belong to networks that are gone (notebook 02, section 5). A rate that falls to
# 0 ends that, too. A lower constant rate, or Adam with a triangular one, we have not tried. The
# four rungs after the triangular rate end between 71.2 and 72.9 %: at first three points more,
# then one less, one more and one more, and one run each can't tell a point from nothing; all four
# together add less than four.
#
# By the seconds to the goal, SGD at its constant rate does not get there (`NaN`); the others do
# after 8.7 to 14.0 s, the building of the graph included. That is no ranking: all do nearly the
# same work, and took between 12.0 and 30.3 s for it, which is the machine: a busy spell hit the
# last two. And an accuracy that jumps from epoch to epoch may pass a goal early and fall back. To
# judge by seconds takes several runs each.
#
# ## 7 Train with all of it
#
# All together, on all images, and one thing more, *progressive resizing*: ten of the 23 epochs
# show the images at 16 × 16 pixels, where a step costs about half, and the others show them
# whole; the validation images, too. The weights are the same; a convolution does not ask how large
# its map is. A recipe is data; these are its settings. (Two stand elsewhere: the offsets of this
# network's normalisations learn 64 times as fast as its kernels, and the momentum of SGD is
# Nesterov's, 0.9.)

# %%
# NBVAL_CHECK_OUTPUT
for key, value in RECIPE.settings().items():
    print(f"{key}: {value}")

# %%
run = train(RECIPE, data, SEED, epochs=TRAIN_EPOCHS, verbose=0)
print(f"{run.seconds:.0f} s of training, the graphs' building included, on {data.name}")
elapsed = np.cumsum(run.history["seconds"])
for first, end, side in run.recipe.phases():
    for epoch in range(first, end):
        told = f"epoch {epoch + 1:2}: {elapsed[epoch]:4.0f} s, "
        told += f"{run.history['val_accuracy'][epoch]:.1%}"
        print(f"{told} at {side} × {side} pixels")

# %% [markdown]
# The ten small epochs take 67 s and bring 67.7 % of the *small* validation images. Of the *whole*
# ones it is 59.7 % after one epoch on them, 73.4 % after two, and 87.1 % at the end; the last five
# epochs, with a low learning rate, bring four points. On the way the accuracy falls back again and
# again, to 42.0 % in epoch 4: the rate is high, and what was said of averages that lag behind in
# section 6 holds here, too. So never judge by the middle of a curve. The 13 whole epochs take 12 s
# each; 23 of them would have taken four and a half minutes instead of three and two thirds, by
# arithmetic, and whether they would have been better this does not tell.
#
# ## 8 Look six times
#
# An image and its mirror image show the same thing, and so does the image shifted by a pixel.
# A weighted average of the network's outputs for six such views makes it more accurate without
# any training. It costs six times the computation for each image, for as long as the network
# is used, so the summary shows both, and the headline is the single view.

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
# More than a point, without another step of training, for some six times the time. With
# everything decided, the test set is opened, once.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
for views in (1, 6):
    probabilities = evaluation.predict_probabilities(run.model, x_test, views=views)
    interval = evaluation.accuracy_interval(y_test, probabilities.argmax(axis=1))
    print(f"test, {views} view(s): {interval}, {data.name}")

# %% [markdown]
# The test accuracies are 87.6 and 88.8 %: the same as on the validation images (87.1 and 88.4 %),
# as far as 10,000 and 5,000 images can tell. The baseline of notebook 02, after ten epochs, has
# 77.4 % [4]. About half of the ten points are the recipe's doing, as the baseline's network by a
# similar one shows [5]; the rest is the network, 13 more epochs, and what the two recipes do not
# share. The most accurate network of the series is one word away: `RECIPES["fast_cnn_large"]`, with
# twice the channels.

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
#   are not lost.
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
# map, and to the product of its channels before and after. (Section 7 has about twice: not all of
# a step shrinks with the map.)</details>
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
# | `fast_cnn`, one view | 87.1 % | 87.6 % (87.0 to 88.3) | 498,690 | 23 | 220 | 2 cores, bfloat16 | 1 |
# | the same, six views | 88.4 % | 88.8 % (88.2 to 89.4) | 498,690 | 23 | 220 | 2 cores, bfloat16 | 1 |
#
# All on `cifar10-q75`, 45,000 training images, last epoch. What each change was worth, in one
# run each unless [5] is named:
#
# | change | gain | lines |
# |---|---|---|
# | half precision | 3.60 times as fast, kernel gradients included, on a processor that has units for it | 1 |
# | normalisation in one routine | 1.11 times as fast, in float32 | 35 |
# | frozen first layer | 1.15 times as fast | 1 |
# | kernel gradients by a convolution | on 7 × 7 maps of 128 channels 1.8 times as fast | 21 |
# | input without the tuner | 0 to 4 seconds an epoch here, by luck; by the same rule 20 in epochs of 21 seconds | 2 |
# | SGD with a triangular rate | eight points over Adam at a constant one, after five epochs | 13 |
# | whitening, identities; smoothing; crop and alternating flip; lookahead | less than four points together, after five epochs | 34; 0; 41; 26 |
# | progressive resizing | nearly a fifth of the time, by arithmetic; its cost in accuracy not measured | – |
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
# averaging logits or averaging probabilities? (The solution uses a network trained for five
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
# 5. The [ledger](../results/README.md) of this series, mostly five runs each.
#
# **Previous:** [04 · A residual network](04_residual_network.ipynb)
