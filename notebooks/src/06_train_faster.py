# %% [markdown]
# # 06 · Train faster
#
# **Train a network twice: the same images, the same processor, and the two differ only in how
# the images are handed to `fit`. One training goes from epoch to epoch without a pause. The other stops between them and sits idle, here for a second or so, elsewhere for up to a
# minute, and says nothing. It is the one that you know from the tutorials. In this notebook we hold a
# stopwatch to a training, and get the lost time back.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/06_train_faster.ipynb)
#
# **You will learn** to
#
# * take a training step apart and see which part is worth making faster,
# * work out how fast it *could* be, and what stands in the way: arithmetic or memory,
# * find and remove a wait that `fit` never tells you about,
# * make the step itself cheaper by fused layers and half precision, on your own model too,
# * know where to look first when a training is slow.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb): you should have seen a network
# train. How to get by with *fewer* steps is the subject of the notebook before this one. Here the
# steps stay the same, and we make each of them take less time.
#
# **Runtime** about 7 minutes on two processor cores. It runs on a GPU as well. Nothing is trained
# to the end here, so the test set stays closed.

# %% [markdown]
# ## Setup
#
# One folded cell installs the series' helper package on Colab, where it leaves everything
# else as it is, and imports what we need. Its output is one line: what this notebook runs on.

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-input"]
# @title Setup: install on Colab, import
import sys

if "google.colab" in sys.modules:
    from subprocess import check_call

    repository = "https://github.com/cifar10-keras-notebooks/cifar10-keras-notebooks"
    package = f"git+{repository}@v0.2.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])

from cifar_utils.notebook import check_answer, start

start(seed=0)

import time
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

from cifar_utils.augmentation import PadCropFlip
from cifar_utils.data import load_cifar10
from cifar_utils.fast import machine
from cifar_utils.fast.accelerate import FusedBatchNormalization, accelerate
from cifar_utils.models import build_model
from cifar_utils.operations import operations
from cifar_utils.plotting import label_source
from cifar_utils.recipes import RECIPES

# %% [markdown]
# ## Settings
#
# These are the values of a real run; a quick test of the notebook uses smaller ones.

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
BATCH = 256
TURNS = 25  # of everything that is timed
MATRIX = 2_048  # side of the matrices of the speed test
EPOCH_SECONDS = 1.6  # how long an epoch of section 4 should take
WATCHED_EPOCHS = 10
CHALLENGE_IMAGES = 15_000  # for exercise 3
CHALLENGE_EPOCHS = 4

# %% [markdown]
# ## 1 Where does the time go?
#
# Before making anything faster, find out where the time goes. That takes a stopwatch we can
# trust. A computer never works for us alone: other programs come and go, the processor heats up
# and slows down. So our stopwatch lets its candidates **take turns**. A busy spell then hits all
# of them, and the quickest turn of each says what it can do when nobody disturbs it.


# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
x_batch = data.x_train[:BATCH]
y_batch = keras.utils.to_categorical(data.y_train[:BATCH], 10)
print(f"one batch: images {x_batch.shape}, labels {y_batch.shape}, from {data.name}")


# %% tags=["setup"]
def in_turns(steps):
    """Seconds of each step in each turn, without the first, which builds graphs."""
    seconds = {name: [] for name in steps}
    for _ in range(1 + TURNS):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            tf.test.experimental.sync_devices()  # a GPU may still be at work
            seconds[name].append(time.perf_counter() - begin)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


# %% [markdown]
# We examine `fast_cnn`, a small network of seven convolutions. One step of its training has
# five parts:
#
# 1. **gather** the images of the batch from the training set,
# 2. **crop and flip** them at random,
# 3. send them **forward** through the network, to the loss,
# 4. go **backward**, to the gradient of every weight,
# 5. **update** the weights.
#
# We can't stop a step in the middle. But we can write four functions, each of which goes one part
# further than the one before. The difference between two of them is the cost of a part.
# (`tf.function` turns a function into a graph of TensorFlow's own operations, which is what
# `fit` does with your model.)


# %%
def parts_of_a_step(network):
    """Functions that do more and more of a training step."""
    crop_and_flip, sgd = PadCropFlip(2), keras.optimizers.SGD(0.01, momentum=0.9)
    sgd.build(network.trainable_variables)
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)

    def cropped(images):
        return crop_and_flip(images, training=True)

    def forward(images):
        return loss_of(y_batch, network(cropped(images), training=True))

    def backward(images):
        with tf.GradientTape() as tape:
            loss = forward(images)
        return tape.gradient(loss, network.trainable_variables)

    def update(images):
        sgd.apply(backward(images), network.trainable_variables)

    return [tf.function(part) for part in (cropped, forward, backward, update)]


# %%
order = np.random.default_rng(SEED).permutation(len(data.x_train))[:BATCH]


def stopwatch(network):
    """For in_turns: the gathering, and the ever longer parts of a step."""
    names = ("crop and flip", "forward", "backward", "update")
    parts = zip(names, parts_of_a_step(network), strict=True)
    steps = {name: partial(part, x_batch) for name, part in parts}
    return {"gather": lambda: data.x_train[order]} | steps


# %%
def taken_apart(times):
    """Seconds of each part alone: the differences between the quickest turns."""
    quickest = np.array([turns.min() for turns in times.values()])
    alone = np.diff(quickest, prepend=0)
    alone[:2] = quickest[:2]  # gathering is not part of the graphs
    return dict(zip(times, np.maximum(alone, 0), strict=True))


# %% [markdown]
# **Before you run the cell:** which of the five parts takes longest? Does it take more than half
# of the step? And how much would a faster augmentation save?

# %%
model = build_model("fast_cnn")
parts = taken_apart(in_turns(stopwatch(model)))

# %% alt="A training step as a bar, cut into its parts: the backward pass is the longest." jupyter={"source_hidden": true} tags=["hide-input"]
PALETTE = ["gray", "#C98500", "#56B4E9", "#0072B2", "#B25A8E"]


def draw_step(ax, parts, row=0):
    """A step as a line of time, from left to right; narrow parts are named above it."""
    begin, total, above = 0, ax.get_xlim()[1], 0
    for colour, (name, seconds) in zip(PALETTE, parts.items(), strict=True):
        ax.barh(row, 1e3 * seconds, 0.5, begin, color=colour, edgecolor="w")
        if 1e3 * seconds > 0.08 * total:
            style, x, y = {"color": "w", "ha": "center"}, begin + 500 * seconds, row
        else:
            style, x, y = {"color": colour}, begin, row + 0.37 + 0.19 * (above % 3)
            above += 1
        ax.text(x, y, name, va="center", weight="bold", **style)
        begin += 1e3 * seconds


fig, ax = plt.subplots(figsize=(9, 1.8), layout="constrained")
ax.set(xlim=(0, 1.07e3 * sum(parts.values())), ylim=(-0.4, 0.9), yticks=[])
draw_step(ax, parts)
ax.set(xlabel="milliseconds", title="One training step, from left to right")
ax.spines[["left", "top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# The way back is the longest part by far, about twice as long as the way forward. That is no
# accident. Going forward, a convolution computes one thing: its outputs. Going back it computes two:
# the gradient of its weights, so that it can learn, and the gradient of its inputs, so that the
# layer below can. Each is as much work as the way forward. (Only the very first layer owes no
# gradient to its inputs: nothing below it learns.)
#
# And all the parts that have nothing to do with the network, gathering, cropping, updating, are
# slivers. How much could we win if one part cost *nothing at all*? If a part takes the share $s$
# of the time, then the rest takes $1 - s$, and the step becomes
#
# $$ \frac{1}{1 - s} \quad \text{times as fast, at the very most.} $$
#
# This is **Amdahl's law**, and it is the most useful line in this notebook.

# %%
for name, seconds in parts.items():
    s = seconds / sum(parts.values())
    print(
        f"{name:14} {s:4.0%} of the step: free, it would make it ",
        f"{1 / (1 - s):.2f} × as fast",
        sep="",
    )

# %% [markdown]
# You could spend a week on the cleverest augmentation in the world, and the training would hardly notice. If we want to
# be faster, we have to make the *network* cheaper: forward and backward. So what keeps it so busy?
#
# ## 2 Counting what the network does
#
# A convolution is many small sums of products, so its work can be counted on paper. Take a window
# of $k \times k$ pixels, $C$ channels coming in, $D$ channels going out, and an output map of
# $H \times W$ places. At each place, for each output channel, it multiplies $k^2 C$ numbers by
# weights and adds them up. A multiplication and an addition are two operations:
#
# $$ \text{operations} \;=\; 2 \cdot H W \cdot k^2 \cdot C \cdot D $$
#
# Training costs three times this: once forward, and twice backward. Let us count the first
# convolution of the network's second stage on paper. Then we ask the package to count all layers
# that way: `operations` adds them up over a whole training, so we divide by the images that it sees.


# %% tags=["setup"]
def millions_a_step(network):
    """Millions of operations of each layer in a training step, for one image."""
    recipe = RECIPES["valid_cnn"]  # any that shows images whole
    counts = operations(network, recipe, images=recipe.batch_size)
    seen = recipe.batch_size * recipe.epochs
    return {name: count / seen / 1e6 for name, count in counts.items()}


# %% tags=["nbval-check-output"]
counts = millions_a_step(build_model("fast_cnn"))
on_paper = 3 * 2 * (15 * 15) * (3 * 3) * 32 * 128
print(f"stage2_1_conv, on paper: {on_paper / 1e6:.1f} million")
print(f"counted by the package:  {counts['stage2_1_conv']:.1f} million")
print(f"all layers, one image:   {sum(counts.values()):.0f} million")
print(f"a step with 256 images:  {256 * sum(counts.values()):,.0f} million")

# %% [markdown]
# Some fifty billion operations, for one step, of a *small* network. **Before you run the cell:**
# the maps are largest near the input, and the channels are most near the output. Where is the
# most work?

# %% alt="Bars of operations by layer: a few convolutions have nearly all of them."
shapes = [model.get_layer(name).output.shape[1:] for name in counts]
labels = [
    f"{name.removesuffix('_conv')}   {' × '.join(map(str, shape))}"
    for name, shape in zip(counts, shapes, strict=True)
]
fig, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
bars = ax.barh(labels, counts.values(), color="#0072B2")
ax.bar_label(bars, fmt=" %.0f", fontsize=9)
ax.invert_yaxis()
ax.set(xlabel="million operations for one image, in training")
ax.set_title("layer and output map, from the input down to the logits", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# In between. Read the formula again: the cost is proportional to the *square* of the map's side, and to the *product* of
# the channels before and after. At the input there are many places but few
# channels. At the end there are many channels but only a handful of places. The most
# expensive layer is the one that has both: a map that is still large, and 128 channels already.
#
# Halve the sides of a map, and its convolution costs a quarter. Halve all channels, and it costs a
# quarter as well. Those are the two big levers of every architecture. But counting only tells us
# how much there is to do. How fast can it be done?
#
# ## 3 How fast could it be?
#
# Think of a kitchen with one cook and one waiter. The cook is the processor's arithmetic; the
# waiter carries ingredients from the store room, which is the memory. Some dishes need a lot of
# cooking for each ingredient: then the cook is busy all the time and the waiter stands around.
# Others are just a peeled carrot: then the cook waits for the waiter, however fast he cooks.
#
# So there are two limits, and we can measure both. The fastest cooking we know is the **product of
# two large matrices**: every number that is fetched is used thousands of times. Almost pure
# carrying is **adding one** to a very long list of numbers: fetch, add, put back.

# %%
matrix = tf.random.normal((MATRIX, MATRIX))
long_list = tf.random.normal((BATCH, 32, 32, 64))
steps = {
    "cook": tf.function(lambda: tf.matmul(matrix, matrix)),
    "carry": tf.function(lambda: long_list + 1.0),
}


# %%
def limits(times):
    """Operations a second, and bytes a second: there and back, 4 for a number."""
    peak = 2 * MATRIX**3 / times["cook"].min()
    return peak, 2 * 4 * tf.size(long_list).numpy() / times["carry"].min()


peak, bandwidth = limits(in_turns(steps))
print(f"arithmetic: at most {peak / 1e9:,.0f} billion operations a second")
print(f"memory:     at most {bandwidth / 1e9:,.0f} billion bytes a second")
print(f"the cook is busy from {peak / bandwidth:.0f} operations a byte")

# %% [markdown]
# The last line is their ratio. A layer that does fewer operations than that for each byte it moves
# keeps the arithmetic waiting: it is **memory-bound**. A layer that does more is
# **compute-bound**. The number of operations for each byte is called **arithmetic intensity**, and
# we can count it on paper, too. Count the operations as before; for the bytes, count the least that
# must travel: the input map once, the output map once, the weights once.
#
# We take six layers as they occur in networks like ours. One of them is new: a **depthwise**
# convolution slides one window over each channel on its own, instead of mixing all channels. It
# needs a tiny fraction of the operations, and small networks for phones are built from it.


# %%
def work(layer, maps):
    """What a layer has to do at least: operations, and bytes to carry."""
    outputs, kernel = layer(maps), getattr(layer, "kernel", None)
    each = {"ReLU": 1, "BatchNormalization": 6}.get(type(layer).__name__)
    if kernel is not None:
        count = 2 * np.prod(outputs.shape[:3]) * np.prod(kernel.shape)
    else:
        count = each * np.prod(outputs.shape)
    numbers = sum(np.prod(array.shape) for array in (maps, outputs, *layer.weights))
    return count, 4 * numbers


# %%
same = {"padding": "same", "use_bias": False}
probes = {
    "convolution, 31 × 31 map": (layers.Conv2D(32, 3, **same), (31, 31, 24)),
    "convolution, 15 × 15 map": (layers.Conv2D(128, 3, **same), (15, 15, 32)),
    "convolution, 7 × 7 map": (layers.Conv2D(128, 3, **same), (7, 7, 128)),
    "depthwise convolution": (layers.DepthwiseConv2D(3, **same), (15, 15, 128)),
    "normalisation": (layers.BatchNormalization(), (31, 31, 32)),
    "ReLU": (layers.ReLU(), (31, 31, 32)),
}
needs = {}
for name, (layer, shape) in probes.items():
    maps = keras.random.normal((BATCH, *shape), seed=SEED)
    needs[name] = work(layer, maps)
    steps[name] = tf.function(partial(layer, maps, training=True))
steps["whole step"] = stopwatch(model)["update"]
times = in_turns(steps)

# %% [markdown]
# We draw each layer as a dot: to the right, the more it computes with each byte; upwards, the more
# operations a second it really did. The two limits become a roof. (We time them again, in turns with the layers, so its
# corner may differ a little from the ratio above.) Under the slope the waiter
# decides, under the flat part the cook. **Before you run the cell:** which dots will touch the
# roof, and which will hang far below it?

# %% alt="A roofline: convolutions reach the flat part of the roof, normalisation and ReLU lie under its slope." jupyter={"source_hidden": true} tags=["hide-input"]
peak, bandwidth = limits(times)
x, ridge = np.geomspace(0.06, 2_000, 300), peak / bandwidth
roof, low = np.minimum(peak, bandwidth * x) / 1e9, bandwidth * 1e-11
slanted = {"rotation": -35, "rotation_mode": "anchor"}
whole = sum(counts.values()) * 1e6 * BATCH / times["whole step"].min()
fig, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
ax.loglog(x, roof, color="black", linewidth=2)
ax.fill_between(x, low, roof, where=x <= ridge, color="#E69F00", alpha=0.13)
ax.fill_between(x, low, roof, where=x >= ridge, color="#0072B2", alpha=0.1)
for name, (count, size) in needs.items():
    at, speed = count / size, count / times[name].min() / 1e9
    colour = "#0072B2" if at > ridge else "#B86A00"
    ax.plot(at, speed, "o", color=colour, markersize=8)
    ax.text(1.25 * at, 0.8 * speed, name, color=colour, va="top", **slanted)
ax.set_xlabel("operations for each byte carried (arithmetic intensity)")
ax.axhline(whole / 1e9, color="gray", linestyle="--")
told = f"a whole training step: {whole / peak:.0%} of the flat roof"
ax.text(0.07, 1.1 * whole / 1e9, told, color="gray")
ax.text(0.07, 1.3 * low, "memory-bound: the waiter decides", color="#B86A00")
right = {"x": 1_900, "ha": "right"}
ax.text(y=2 * peak / 1e9, s="what arithmetic allows", **right)
ax.text(y=1.3 * low, s="compute-bound: the cook decides", color="#0072B2", **right)
ax.set(xlim=(x[0], x[-1]), ylim=(low, 4 * peak / 1e9))
ax.set_ylabel("billion operations a second")
label_source(ax, data.name)

# %% [markdown]
# This picture is called a **roofline** [1], and it explains a great deal. ReLU does one operation
# for every eight bytes. It sits far down on the left, and no faster processor will ever help it:
# only a faster memory, or not going to memory at all. The three ordinary convolutions stand near
# the flat roof on the right, with far more operations a second, because each number that they fetch
# is used again and again.
#
# Look at the depthwise convolution. It has over a hundred times fewer operations than an ordinary
# one with as many channels, but it sits on the side of the waiter, who sets it a low limit. **Fewer operations
# and less time are not the same thing**, and the roof shows one reason.
#
# And the normalisation? It hangs clearly below the slope that it should touch. It moves more bytes
# than it would have to. Keep that in mind for section 5.
#
# The dashed line is the training step as a whole. Its distance to the flat roof is what clever programming could win
# back at this precision. (A dot can even stand a little above the roof: a matrix product is only the fastest cooking that *we* know.) But before we
# fight for it, let us look for time that is wasted outside of the step.
#
# ## 4 A wait that nobody ordered
#
# Between the last step of an epoch and the first of the next, nothing should happen but a little
# shuffling. Let's look. A callback notes when the steps of each epoch begin and end. To see many gaps
# in little time, we train on so few images that an epoch takes between one and two seconds.
#
# We feed `fit` the same images in three ways. First as arrays, the way of every tutorial. Then as a
# dataset of our own. Then as that dataset with one option more: its **autotuner** switched off. The autotuner is a helper thread of
# `tf.data`, the part of TensorFlow that prepares batches; `fit` turns arrays into such a pipeline, too. The tuner watches the
# pipeline and decides how much of it should
# run in parallel. **Before you run the cells:** will the three differ in their epochs, in the gaps
# between them, or not at all?


# %%
class Stopwatch(keras.callbacks.Callback):
    """Notes when the first step of each epoch begins, and when its last one ends."""

    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.epochs.append([time.perf_counter(), None])

    def on_train_batch_end(self, batch, logs=None):
        self.epochs[-1][1] = time.perf_counter()


# %%
count = BATCH * max(1, int(EPOCH_SECONDS / np.median(times["whole step"])))
x_few, y_few = data.x_train[:count], data.y_train[:count]
own = tf.data.Dataset.from_tensor_slices((x_few, y_few)).shuffle(count).batch(BATCH)
options = tf.data.Options()
options.autotune.enabled = False
inputs = {
    "arrays": {"x": x_few, "y": y_few, "batch_size": BATCH},
    "own dataset": {"x": own, "shuffle": False},  # it shuffles by itself
    "own dataset,\ntuner off": {"x": own.with_options(options), "shuffle": False},
}

# %%
watched = {}
for name, given in inputs.items():
    network, watch = build_model("fast_cnn"), Stopwatch()
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(**given, epochs=WATCHED_EPOCHS, callbacks=[watch], verbose=0)
    watched[name] = np.array(watch.epochs) - watch.epochs[0][0]

# %% alt="Time lines of three ways to feed fit: orange waits between some epochs with arrays and with a plain dataset, none with its tuner off."
fig, ax = plt.subplots(figsize=(9, 2.8), layout="constrained")
centre = {"ha": "center", "va": "center"}
for row, epochs in enumerate(watched.values()):
    for number, (begin, end) in enumerate(epochs, start=1):
        ax.barh(row, end - begin, 0.6, begin, color="#0072B2", edgecolor="w")
        ax.text((begin + end) / 2, row, number, color="w", **centre)
    for end, begin in zip(epochs[:-1, 1], epochs[1:, 0], strict=True):
        wait, middle = begin - end, (begin + end) / 2
        ax.barh(row, wait, 0.3, end, color="#D55E00")
        if wait > 0.2:
            ax.text(middle, row - 0.28, f"{wait:.1f} s", color="#D55E00", **centre)
ax.set(yticks=range(3), yticklabels=watched, xlabel="seconds; the numbers are epochs")
ax.invert_yaxis()
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# There it is, in orange: time in which nothing is computed. A dataset of your own does not save you by
# itself. Only the last row is safe.
#
# What happens? While it watches, the tuner takes naps, and each nap is twice as long as the one
# before: 10 milliseconds, 20, 40, and so on, until they last a minute [2]. At the end of an epoch `fit`
# throws the pipeline away. It wakes the tuner, so that it sees the note that says *stop*. And here is
# the mistake: the tuner is woken a moment *before* the note is pinned up [3]. A slow tuner finds it. A
# quick one looks, sees nothing, and goes back to bed until its nap is over. Then `fit` has to wait.
#
# Such a mistake is called a **race**: what happens depends on who is faster by microseconds. So how
# many orange bars you see is up to chance, and to how busy your machine is. How long they are is not.
# Add up the naps, and you get the moments of waking: about 1.3, 2.6, 5, 10, 20, 41 and 82 seconds after
# the start of the epoch. A blue bar and the orange one behind it are together about as long
# as one of these. (The very first blue bar also builds the graph, so it is longer.)
#
# An epoch that ends just before the alarm loses nothing. One that ends just after it can lose as much
# again as it took. In exercise 2 you draw that curve. The cure is a dataset of your own, with the two
# lines about `options`. The package's own `train` does it for you.
#
# ## 5 Three trips instead of eight
#
# Back to the step itself, and to the dot that hung too low. Batch normalisation [5] subtracts a
# mean and divides by a deviation, as notebook 02 explained. Keras puts it together from elementary
# operations:


# %%
def step_by_step(maps):
    mean = tf.reduce_mean(maps, axis=(0, 1, 2))  # reads the whole map
    squares = tf.math.squared_difference(maps, mean)  # reads it, writes one as large
    variance = tf.reduce_mean(squares, axis=(0, 1, 2))  # reads that one
    scale = tf.math.rsqrt(variance + 1e-3)
    scaled = maps * scale  # reads and writes
    return scaled - mean * scale  # reads and writes


# %% [markdown]
# Count the trips to memory in the comments: five times a whole map is read, three times one is
# written. Yet there is hardly anything to compute. The cook peels one carrot, and the waiter carries
# it eight times, to the store room or back. A **fused** operation does all of it in one routine:
# what has been fetched stays in the kitchen until everything is done with it. One reading is not
# enough, because it must know the mean before it can subtract it. Two reads and one write are enough.

# %% alt="Two diagrams of the trips to memory that a normalisation makes: eight step by step, three when fused." jupyter={"source_hidden": true} tags=["hide-input"]
trips = {
    "step by step": ["mean", "squares", "", "variance", "scale", "", "shift", ""],
    "fused": ["statistics", "everything else", ""],
}
ways = {"step by step": "rrwrrwrw", "fused": "rrw"}
moves = {"r": ("read", "#0072B2", 0.98), "w": ("write", "#D55E00", 0.02)}
fig = plt.figure(figsize=(9, 2.6), layout="constrained")
for ax, (name, texts) in zip(
    fig.subplots(1, 2, width_ratios=(8, 3.6)), trips.items(), strict=True
):
    ax.axhspan(1, 1.35, color="#DDDDDD")
    ax.axhspan(-0.35, 0, color="#CDE3F2")
    ax.text(-0.42, 1.17, "memory", va="center")
    ax.text(-0.42, -0.18, "processor", va="center")
    for place, (way, text) in enumerate(zip(ways[name], texts, strict=True)):
        word, colour, top = moves[way]
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 3, "mutation_scale": 18}
        ax.annotate("", (place, 1 - top), (place, top), arrowprops=arrow)
        ax.text(place + 0.1, 0.5, word, rotation=90, color=colour, va="center")
        ax.text(place, -0.5, text, ha="center", va="top", fontsize=9)
    ax.set(xlim=(-0.5, len(texts) - 0.4), ylim=(-0.75, 1.4), title=name)
    ax.axis("off")

# %% [markdown]
# TensorFlow has such a routine. It needs one call, and the package wraps it as a layer,
# `FusedBatchNormalization`. A faster way is worth nothing if it computes something else, so we
# compare the outputs first.


# %% tags=["nbval-check-output"]
def fused(maps):
    ones, zeros, none = tf.ones(maps.shape[-1]), tf.zeros(maps.shape[-1]), tf.zeros([0])
    return tf.raw_ops.FusedBatchNormV3(
        x=maps,
        scale=ones,
        offset=zeros,
        mean=none,
        variance=none,
        epsilon=1e-3,
        is_training=True,
    ).y


maps = keras.random.normal((BATCH, 31, 31, 32), mean=1.0, seed=SEED)
print("the same:", np.allclose(step_by_step(maps), fused(maps), atol=1e-4))

# %% [markdown]
# The same, but for rounding. Is it faster? We ask three times: of the normalisation alone; of a
# layer of Keras and its fused twin, forward and backward; and of the whole network, where
# `accelerate` has exchanged all normalisations (section 7 says more about it). All take turns, and
# each dot in the picture compares two neighbours in time. The line compares the quickest turns of
# both.


# %%
def forward_and_back(network, inputs):
    """A graph of the gradients of all weights."""

    @tf.function
    def step(inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network(inputs, training=True)))
        return tape.gradient(loss, network.trainable_variables)

    return partial(step, inputs)


# %%
def compare(pairs):
    """Seconds of both of each pair in each turn."""
    steps = {}
    for name, (first, second) in pairs.items():
        steps |= {(name, 1): first, (name, 2): second}
    times = in_turns(steps)
    return {name: (times[name, 1], times[name, 2]) for name in pairs}


# %% jupyter={"source_hidden": true} tags=["hide-input"]


def plot_ratios(times, label, source=data.name):
    """For each pair a dot a turn, and a line for the quickest turns of both."""
    _, ax = plt.subplots(figsize=(9, 0.6 + 0.75 * len(times)), layout="constrained")
    ax.axvline(1, color="black", linewidth=1)
    shown, spread = [0.8, 1.25], np.linspace(-0.18, 0.18, TURNS)
    for row, (first, second) in enumerate(times.values()):
        best, each = first.min() / second.min(), first / second
        shown += [best, *np.quantile(each, (0.1, 0.9))]
        colour = "#0072B2" if best > 1 else "#D55E00"
        ax.plot(each, row + spread, "o", color=colour, alpha=0.35, markersize=5)
        ax.plot([best] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=3)
        ax.text(best, row - 0.34, f"{best:.2f} ×", ha="center", color=colour)
    ax.set(xlim=(min(shown) - 0.1, max(shown) + 0.1), ylim=(len(times) - 0.5, -0.65))
    ax.set_xlabel(f"times as fast: {label}")
    ax.set_yticks(range(len(times)), times)
    ax.spines[["top", "right"]].set_visible(False)
    label_source(ax, source)


# %% alt="How many times faster fused normalisation is, forward and backward."
both = [layers.BatchNormalization(), FusedBatchNormalization()]
_ = [layer(maps) for layer in both]  # builds them
pairs = {
    "on its own": [partial(tf.function(f), maps) for f in (step_by_step, fused)],
    "layer, forward and back": [forward_and_back(a, maps) for a in both],
    "whole network": [forward_and_back(a, x_batch) for a in (model, accelerate(model))],
}
plot_ratios(compare(pairs), "fused against step by step", data.name)

# %% [markdown]
# To the right of the black line, fused is faster. The normalisation alone gains most. In the whole network little of it is
# left, or nothing that rises above the noise, as Amdahl's law says it must: normalisation is only a share of the step, and
# `fast_cnn` normalises *after* pooling, where maps are small. In a network that normalises large maps you gain more. Your
# code and your weights stay as they are.
#
# ## 6 Half of the bits
#
# There is one way to raise the roof itself: smaller numbers. A `float32` has 32 bits. Numbers of 16
# bits are half as much to carry, and a processor with units for them multiplies about twice as many of
# them at a time. What do we lose? Let us look at the bits.


# %% alt="The bits of 1.001 in three formats: sign, exponent and fraction in colours." jupyter={"source_hidden": true} tags=["hide-input"]
def bits(value, dtype):
    """The ones and zeros of a number, its sign first."""
    number = np.array(value, tf.as_dtype(dtype).as_numpy_dtype)
    return np.unpackbits(np.frombuffer(number.tobytes(), "uint8")[::-1])


FORMATS = {"float32": (8, 23), "bfloat16": (8, 7), "float16": (5, 10)}
ROLES = {"sign": "#BBBBBB", "exponent": "#E69F00", "fraction": "#8CCBEF"}
ax = plt.figure(figsize=(9, 2.4), layout="constrained").add_subplot(frameon=False)
for row, (dtype, sizes) in enumerate(FORMATS.items()):
    colours = np.repeat(list(ROLES.values()), (1, *sizes))
    ax.barh([row] * len(colours), 0.94, 0.7, range(len(colours)), color=colours)
    for place, bit in enumerate(bits(1.001, dtype)):
        ax.text(place + 0.1, row, bit, va="center", family="monospace")
    stored = np.array(1.001, tf.as_dtype(dtype).as_numpy_dtype).astype("float64")
    ax.text(place + 1.4, row, f"= {stored:.6g}", va="center", weight="bold")
for place, role in zip((0, 2.3, 10), ROLES, strict=True):
    ax.text(place, -0.65, role, fontsize=9, bbox={"color": ROLES[role], "pad": 1.5})
ax.set(xlim=(-0.3, 38), ylim=(2.5, -0.95), yticks=range(3), yticklabels=FORMATS)
_ = ax.set(title="1.001 in three formats", xticks=[])

# %% [markdown]
# The **exponent** says how large a number is, the **fraction** gives its digits. `bfloat16` is a
# `float32` whose last 16 bits are rounded away. It can be as huge and as tiny, but keeps only two or
# three decimal digits. The thousandth in 1.001 has fallen off the end. `float16` made the other
# choice: more digits, but a short exponent, so that large numbers overflow and small ones vanish.

#
# For a feature map that is good enough. A network that learns from random crops does not care about
# the fourth digit of an activation. For a *weight* it is not. **Before you run the cell:**
# start with a weight of 1 and add an update of 0.001, a thousand times. Where does each format end?

# %% alt="A weight that gets tiny updates: in float32 it climbs, in bfloat16 it never moves."
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for dtype, colour in zip(FORMATS, ("#000000", "#0072B2", "#E69F00"), strict=True):
    number = tf.as_dtype(dtype).as_numpy_dtype
    weight = [number(1)]
    for _ in range(1_000):
        weight.append(number(weight[-1] + number(0.001)))
    ax.plot(np.array(weight, "float32"), color=colour)
    up = "bottom" if dtype == "float32" else "top"
    ax.text(1_010, float(weight[-1]), dtype, color=colour, va=up)
ax.set(xlim=(0, 1_150), ylim=(0.9, 2.15), xlabel="updates", ylabel="weight")
label_source(ax, data.name)

# %% [markdown]
# In `bfloat16` the weight never moves: each update is rounded away before the next one comes. (`float16` gets along
# here, a little low; still smaller updates would be lost there, too.) A
# network stored like that stops learning. So we **mix** [4]. The weights stay in `float32`, and so do
# their updates, the statistics of normalisations, the logits and the loss. (For the logits
# you have to say so: `dtype="float32"`, as in section 7.) Everything bulky, the
# feature maps and their gradients, is cast to 16 bits. Keras calls this `mixed_bfloat16`.
# (`float16` needs one thing more: gradients below its smallest number would vanish, so the loss is
# multiplied by a large factor before the way back, and the gradients divided by it afterwards. In
# Keras that is `LossScaleOptimizer`.)
#
# Is it faster? Here machines differ wildly. A processor without units for 16 bits has to turn every
# number into a `float32` and back. Don't trust the data sheet; measure. The package's
# `best_precision` does so with a small convolution, in a fraction of a second. And `built` makes a
# network whose layers compute in the precision that we name.


# %%
def built(precision, build=lambda: build_model("fast_cnn")):
    keras.config.set_dtype_policy(precision)
    network = build()
    keras.config.set_dtype_policy("float32")
    return network


best = machine.best_precision()
half = "mixed_bfloat16" if best == "float32" else best
print("fastest precision on this machine:", best)

# %% alt="How many times faster half precision is than float32, for a matrix product, a convolution and a training step."
short = tf.cast(matrix, half.removeprefix("mixed_"))
product = tf.function(lambda a: tf.matmul(a, a))
networks = [accelerate(built(precision)) for precision in ("float32", half)]
pairs = {
    "matrix product": [lambda: product(matrix), lambda: product(short)],
    "whole network": [forward_and_back(network, x_batch) for network in networks],
}
plot_ratios(compare(pairs), f"{half} against float32", data.name)

# %% [markdown]
# What you see depends on what you have. Blue dots to the right of the line: your machine has units
# for 16 bits, and half precision is the cheapest gain there is, a single line of code. Orange dots to
# the left: it converts more than it saves, so stay with `float32`. How much there is to gain varies
# just as much. On a processor whose units multiply whole blocks of such numbers (Intel calls them
# AMX), we have seen a step become three to four times as fast; on others it is far less.
#
# ## 7 Your own network
#
# So far we have worked on `fast_cnn`. What about yours? Here is a network as anyone might write it,
# in plain Keras.


# %%
def my_network():
    pixels = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    for width in (32, 64, 128):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, layers.Dense(10, dtype="float32")(x))


# %% [markdown]
# `accelerate` walks through a model and exchanges each layer that has a faster twin *on this
# machine*. The twins don't copy the weights: they share them. Train the twin, and your model has
# learned; save your model, and nobody needs this package to open it.

# %%
mine = my_network()
twin = accelerate(mine)
for name, kind in twin.exchanged.items():
    print(f"{name:24} → {kind}")
outputs = [network.predict(x_batch, verbose=0) for network in (mine, twin)]
print("same outputs:", np.allclose(*outputs, atol=1e-4))
shared = [a is b for a, b in zip(mine.weights, twin.weights, strict=True)]
print("shared weights:", all(shared))

# %% alt="How many times faster the reader's own network gets by each of the cures."
pairs = {
    "faster twin": [forward_and_back(network, x_batch) for network in (mine, twin)],
    f"faster twin, {best}": [
        forward_and_back(network, x_batch)
        for network in (mine, accelerate(built(best, my_network)))
    ],
}
plot_ratios(compare(pairs), "against the network as it was written", data.name)

# %% [markdown]
# This network normalises its largest maps, before it pools them. So its normalisations are a larger
# share of the step, and it gains more than `fast_cnn` did. (If your best precision is `float32`, the
# two rows measure the same thing twice, and their difference shows you how much to trust a dot.)
#
# Would you see the gain in the time line of section 1? Back to `fast_cnn`:
# here is the step of section 1 again, before and after.

# %% alt="The training step before and after, as two bars cut into their parts."
after = accelerate(built(best))
steps = {("before", part): step for part, step in stopwatch(model).items()}
steps |= {("after", part): step for part, step in stopwatch(after).items()}
times = in_turns(steps)
lines = {}
for when in ("before", "after"):
    lines[when] = taken_apart({part: times[when, part] for part in parts})

fig, ax = plt.subplots(figsize=(9, 2.8), layout="constrained")
longest = 1e3 * max(sum(line.values()) for line in lines.values())
ax.set(xlim=(0, 1.07 * longest), ylim=(-0.5, 2.1))
for row, line in zip((1.2, 0), lines.values(), strict=True):
    draw_step(ax, line, row)
ax.set(yticks=(1.2, 0), yticklabels=lines, xlabel="milliseconds")
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# The bar has become shorter where the network computes. The parts that we left alone now take a larger share
# of what is left. (The update is a small difference of long times, and may vanish.) That is Amdahl's law again, from the other side: **make the largest part smaller, and the others begin to
# count**. Then measure anew.
#
# ## 8 What changes on a GPU
#
# A GPU computes so fast that other things become the limit. Each operation of the network is a program
# of its own there, a **kernel**, which the processor has to launch. A launch takes some
# microseconds, however little the kernel has to do. If kernels are short, the GPU mostly waits
# for the next one. The picture is a drawing, not a measurement.

# %% alt="Time lines of a processor and a GPU: on the GPU, short bursts of work with waits for the next order between them." jupyter={"source_hidden": true} tags=["hide-input"]
rows = {
    "small kernels": [(0.9 * i + 0.55, 0.25) for i in range(14)],
    "fused by XLA": [(0.55 + 0.95 * i, 0.62) for i in range(6)],
    "three times\nthe images": [(0.55 + 1.95 * i, 1.9) for i in range(6)],
}
fig = plt.figure(figsize=(9, 2.8), layout="constrained")
ax = fig.add_subplot()
for row, kernels in enumerate(rows.values()):
    ax.barh(row, 13, 0.72, 0, color="#EEEEEE")
    for begin, length in kernels:
        ax.barh(row - 0.22, 0.4, 0.2, begin - 0.5, color="#E69F00")
        ax.barh(row + 0.1, length, 0.42, begin, color="#0072B2")
ax.text(0.05, -0.5, "orange: the processor launches", color="#B86A00")
ax.text(4.6, -0.5, "blue: the GPU computes", color="#0072B2")
ax.text(8.2, -0.5, "grey: the GPU waits", color="#666666")
ax.set(xlim=(0, 13), ylim=(2.5, -0.75), yticks=range(3), yticklabels=rows, xticks=[])
ax.set(xlabel="time (a drawing, not measured)")
ax.spines[:].set_visible(False)

# %% [markdown]
# So the same ideas return in another form:
#
# * **Fuse.** XLA is a compiler that turns many small kernels into a few large ones. Keras uses it on
#   a GPU by itself (`jit_compile="auto"`), unless a layer in the model can't be compiled, as
#   `RandomTranslation`, `RandomRotation` and `RandomZoom` can't. One of these inside a model
#   switches it off for the whole model.
# * **Launch less often.** `compile(steps_per_execution=10)` hands over ten steps at a time. It helps
#   where steps are short.
# * **Half precision** has units of its own on every recent GPU: `float16` on a T4, `bfloat16` as
#   well from the Ampere generation on.
# * **Keep it fed.** A fast GPU takes tens of thousands of CIFAR-10 images a second. Put augmentation
#   inside the model, where it runs on the GPU; keep images as `uint8` until they are there.
# * **Larger batches** make each kernel longer, so that launches matter less. But a larger batch
#   means fewer updates in an epoch, and wants another learning rate.
#
# ## 9 When a training is slow
#
# Everything in one place, in the order in which it pays to look.
#
# | look at | if | then |
# |---|---|---|
# | the gaps between epochs | there are any | feed `fit` a dataset with the autotuner off (section 4) |
# | the step without the network | it is more than a tenth of the whole | faster input: `uint8`, crop and flip in the graph (1) |
# | the start | TensorFlow was imported without `TF_ENABLE_ONEDNN_OPTS=1` | set it before the import, as our `start` in the setup cell does: on some processors TensorFlow does not take its faster routines by itself |
# | the precision | `best_precision()` isn't `float32` | `keras.config.set_dtype_policy(best)` (6) |
# | normalisations of large maps | there are some | `accelerate(model)` (5, 7) |
# | the distance to the roof (3) | it is far | the network is memory-bound: fuse, fewer maps, larger batch (3, 8) |
# | the distance to the roof (3) | it is near | fewer operations: smaller maps, fewer channels (2) |
# | all of that | it is done | fewer steps: a better recipe |
#
# ## Check your understanding
#
# **1.** A step takes 300 ms, 15 of them for the augmentation. A colleague offers you one that is
# ten times as fast. What will you gain?
#
# <details><summary>Answer</summary>At most 15 of 300 ms, and in fact 13.5: less than a twentieth.
# Thank the colleague, and look at the other 285.</details>
#
# **2.** You replace every ReLU by a function with twenty operations, all done in one routine that
# reads the map once and writes it once. How much slower is that function?
#
# <details><summary>Answer</summary>On most machines hardly at all. ReLU is far down on the left of
# the roofline: the arithmetic is idle while the map travels. With twenty operations for eight bytes
# the dot moves to the right, still under the slope, and the trip takes as long as before.</details>
#
# **3.** The steps of your epochs take 12 seconds, and `fit` trains on arrays. You make the steps a
# little cheaper, so that they take 10. How much shorter is the training?
#
# <details><summary>Answer</summary>It may take as little as half the time. With 12 seconds, an epoch that is caught waits for the alarm at
# 20; with 10, the alarm rings almost at once. Such leaps are a sign that something other than the
# network decides. With the tuner off, the saving would have been the honest sixth, and neither
# training would wait.</details>
#
# ## How far to trust this
#
# > **Machine.** All figures are of one machine and one run. Ratios within a run are what to
# > compare; milliseconds are not. Turns cancel slow drifts, and the quickest turn is free of most
# > disturbances, but a machine that others use at the same time can still fool it. **Parts.**
# > Differences of two large times are uncertain when the part is small, the update above all.
# > **Roof.** A matrix product and an addition of 64 MB are what TensorFlow reaches, not the
# > hardware's limit; small maps can stay in the processor's cache and beat the slope. The six
# > operations that a normalisation counts are those of section 5. **The wait** was seen with Keras
# > 3.15 on TensorFlow 2.21; how often it comes differs from run to run, and its cause is read from
# > TensorFlow's source, not traced. **GPUs** were not measured here. **Accuracy** under half
# > precision was not compared in this notebook. Nothing here used the test set.
#
# ## Three takeaways
#
# 1. **Measure first.** The largest part of the step is the only one worth your week, and it is
#    almost always the network's way forward and back.
# 2. **Time is operations or bytes.** A layer waits either for arithmetic or for memory. Fusing saves
#    bytes, smaller maps save operations, half precision saves both where the machine has units.
# 3. **Look between the epochs, too.** No profile of a step shows a wait that happens outside of it.

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 06](solutions/06_train_faster.ipynb).

# %% [markdown]
# **Exercise 1 ★** A *depthwise separable* convolution replaces one convolution by two. First it
# slides one window over each of the `channels` on its own. Then a convolution with a window of 1 × 1
# mixes them into `filters` channels. Write `separable_operations(side, window, channels, filters)`:
# the operations of both together, forward, for one image, on square maps of `side` places that keep
# their size.


# %% tags=["answer-1"]
def separable_operations(side, window, channels, filters):
    return None  # your answer: a whole number


# %% tags=["check-1"]
check_answer(
    1,
    separable_operations,
    [((1, 1, 1, 1), 4), ((16, 3, 32, 64), 1_196_032), ((7, 5, 128, 128), 1_919_232)],
    "The first part has window² weights for each channel, and mixes nothing.",
)

# %% [markdown]
# **Exercise 2 ★★** The autotuner's first nap lasts 0.01 seconds and begins with the epoch. Each nap
# begins when the last one ends and is twice as long, but none is longer than 60 seconds. Write
# `wait_after(seconds)`: how long an epoch of so many seconds waits for the tuner, when it has missed
# the note. Then draw it for epochs of 1 to 100 seconds. Which epochs are the unlucky ones?


# %% tags=["answer-2"]
def wait_after(seconds):
    return None  # your answer: seconds


# %% tags=["check-2"]
check_answer(
    2,
    wait_after,
    [((0.005,), 0.005), ((0.02,), 0.01), ((6.0,), 4.23), ((100.0,), 41.91)],
    "Let a loop add up naps until the sum has reached the end of the epoch.",
)

# %% [markdown]
# **Why?** A dense layer of 2,048 inputs and 2,048 outputs takes far less than sixteen times as long
# for sixteen images as for one. Where do the other fifteen images get their time from? Think of the
# cook and the waiter, then time it.
#
# <details><summary>Answer</summary>The layer has four million weights, 16 MB, and for one image each
# of them is carried from memory for a single multiplication and addition: half an operation a byte,
# far down on the slope. Sixteen images share the trip. The waiter carries hardly more than before,
# and the cook has been waiting anyway. This is why servers collect requests into batches.</details>
#
# **Exercise 3 ★★★** An open challenge, for an evening. Write `lean_network()`: a network for these
# images, uncompiled, with ten logits, that needs **at most half of the operations** of `fast_cnn`,
# and that learns as much as possible in a short training. The function below is the judge: the same
# images, epochs and optimiser for everybody. On the real CIFAR-10 `fast_cnn` itself reaches about
# 75 % of the validation images. **To beat:** 72 %, which is what is left when we simply make every
# stage narrower, `build_model("fast_cnn", widths=(20, 88, 88))`.


# %%
def judge(build):
    """Validation accuracy of a network after a short training, the same for all."""
    keras.utils.set_random_seed(SEED)
    twin, off = accelerate(build()), tf.data.Options()
    off.autotune.enabled = False
    few = data.x_train[:CHALLENGE_IMAGES], data.y_train[:CHALLENGE_IMAGES]
    batches = tf.data.Dataset.from_tensor_slices(few).shuffle(len(few[1])).batch(128)
    steps = CHALLENGE_EPOCHS * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=4e-3, warmup_steps=steps // 5 + 1
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    twin.compile(keras.optimizers.Adam(rate), loss)
    untuned = batches.with_options(off)
    twin.fit(untuned, epochs=CHALLENGE_EPOCHS, shuffle=False, verbose=0)
    guessed = np.argmax(twin.predict(data.x_val, batch_size=500, verbose=0), axis=1)
    return np.mean(guessed == data.y_val)


# %% tags=["answer-3"]
def lean_network():
    return None  # your answer: a keras.Model


# %% tags=["check-3"]
allowed = sum(millions_a_step(build_model("fast_cnn")).values()) / 2


def problem(network):
    if not isinstance(network, keras.Model):
        return "no Keras model comes back"
    if network.output.shape != (None, 10):
        return f"the outputs have shape {network.output.shape}, not (None, 10)"
    needed = sum(millions_a_step(network).values())
    return needed > allowed and f"a step has {needed:.0f} million operations an image"


check_answer(
    3,
    lean_network,
    [((), problem)],
    f"At most {allowed:.0f} million are allowed; millions_a_step(network) counts them.",
)

# %% [markdown]
# ## References
#
# 1. S. Williams, A. Waterman, D. Patterson, [Roofline: An Insightful Visual Performance Model for Multicore Architectures](https://doi.org/10.1145/1498765.1498785), 2009.
# 2. TensorFlow's source, [`model.h`](https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/model.h): `kOptimizationPeriodMinMs` and `kOptimizationPeriodMaxMs`, and `OptimizeLoop` in `model.cc` beside it.
# 3. TensorFlow's source, [`cancellation.cc`](https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/cancellation.cc): `StartCancelWithStatus` runs the callbacks, of which one wakes the tuner, and sets `is_cancelled_` after them.
# 4. P. Micikevicius et al., [Mixed Precision Training](https://arxiv.org/abs/1710.03740), 2018.
# 5. S. Ioffe, C. Szegedy, [Batch Normalization](https://arxiv.org/abs/1502.03167), 2015.
#
# **Previous:** [05 · A better recipe](05_a_better_recipe.ipynb) · **Next:** [07 · Judge the model](07_judge_the_model.ipynb)
