# %% [markdown]
# # 04 · A residual network
#
# **Take a network of eight layers that works. Give it twelve more. It has everything that it had
# before, and more besides. And it gets worse: not on new pictures, but on the very pictures that it
# is trained on. How can more be less? The answer is one plus sign, and it changed deep learning.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/04_residual_network.ipynb)
#
# **You will learn** why deep networks are hard to train, what a shortcut changes, how to write a
# residual block, and which of the networks so far you should choose.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb). [Notebook 03](03_data_augmentation.ipynb)
# helps.
#
# **Runtime** about 10 minutes on two processor cores, three on a GPU.

# %% [markdown]
# ## Setup
#
# One folded cell installs the series' helper package on Colab and imports what we need.

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-input"]
# @title Setup: install on Colab, import
import sys

if "google.colab" in sys.modules:
    from subprocess import check_call

    repository = "https://github.com/cifar10-keras-notebooks/cifar10-keras-notebooks"
    package = f"git+{repository}@v0.1.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])

from cifar_utils.notebook import check_answer, start

start(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.ticker import PercentFormatter

from cifar_utils import evaluation, plotting
from cifar_utils.data import load_cifar10, load_cifar10_test
from cifar_utils.fast.pipeline import untuned
from cifar_utils.models import build_model
from cifar_utils.operations import operations
from cifar_utils.training import RECIPES

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
SEED = 0
SEEDS = (0, 1)
IMAGES = 5_000  # few, so that deep networks can be trained in a minute
VAL_SIZE = 2_000
TEST_LIMIT = None
EPOCHS = 6
BATCH_SIZE = 64
PEAK_RATE = 0.1
DEPTHS = (8, 20)
BLOCKS = 12  # untrained blocks that a picture is sent through
PROBE = 128  # images that show the gradients
PROBE_DEPTHS = (20, 56)
GRID = 13  # points along each side of a landscape
REACH = 1.0  # how far a landscape goes, as a multiple of the weights
LANDSCAPE_IMAGES = 256
TRUCK = 18

# %% [markdown]
# ## 1 Deeper is worse?
#
# We build a family of networks that can be made as deep as we like. Its brick is the one that you know
# from notebook 02: a convolution, batch normalisation and ReLU. A block is two of them.


# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=IMAGES)
print(f"{data.name}: {len(data.x_train):,} training images")


# %% tags=["setup"]
def conv_bn(x, channels, stride=1):
    """A convolution and its normalisation, which has the biases."""
    x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def plain_block(x, channels, stride=1):
    y = layers.ReLU()(conv_bn(x, channels, stride))
    y = conv_bn(y, channels)
    return layers.ReLU()(y)


# %% [markdown]
# The network starts with one convolution. Then come three stages of blocks, with 16, 32 and 64 channels.
# The first block of a new stage slides its windows by two pixels (a stride of two), so the maps get half as
# large. At the end stands *global average pooling*, the mean of each channel over its map, and one
# dense layer. This is the family that its inventors used for CIFAR-10 [1].


# %% tags=["setup"]
def build(block, depth):
    """A network of `depth` layers: 8, 14, 20, 26, …"""
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 64, offset=-2)(inputs)
    x = layers.ReLU()(conv_bn(x, 16))
    for channels in (16, 32, 64):
        for i in range((depth - 2) // 6):
            smaller = i == 0 and channels > 16
            x = block(x, channels, stride=2 if smaller else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


# %% [markdown]
# We train with *stochastic gradient descent with momentum*: each step goes against the gradient, and keeps
# some of the speed of the steps before it. The learning rate rises during the first epoch and
# then falls along a cosine.


# %% tags=["setup"]
def fit(block, depth, seed):
    """Train one network of the family; return it and how its epochs went."""
    keras.utils.set_random_seed(seed)
    network = build(block, depth)
    steps = len(data.x_train) // BATCH_SIZE
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, EPOCHS * steps - steps, warmup_target=PEAK_RATE, warmup_steps=steps
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(
        keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"]
    )
    images = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
    images = images.shuffle(len(data.x_train), seed=seed).batch(BATCH_SIZE)
    history = network.fit(untuned(images), epochs=EPOCHS, shuffle=False, verbose=0)
    return network, history.history


# %% [markdown]
# Now the experiment: eight layers against twenty. **Before you run the cell:** the deeper network could do all
# that the shallow one can, and it has more weights. Which one will fit its *training* images
# better?

# %%
plain = {(d, s): fit(plain_block, d, s) for d in DEPTHS for s in SEEDS}


# %%
def draw_losses(runs, style, ax):
    """One line for each training; the depth is written at its end."""
    colors = dict(zip(DEPTHS, ("tab:orange", "tab:blue"), strict=False))
    for (depth, seed), (_, history) in runs.items():
        epochs = range(1, EPOCHS + 1)
        ax.plot(epochs, history["loss"], style, color=colors[depth])
        if seed == SEEDS[0]:
            where = (EPOCHS, history["loss"][-1])
            text = f" {depth} layers"
            side = "bottom" if depth == DEPTHS[0] else "top"
            ax.annotate(text, where, color=colors[depth], va=side)
    ax.set(xlabel="epoch", ylabel="training loss", xlim=(0.8, EPOCHS * 1.3))


fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
draw_losses(plain, "-", ax)
plotting.label_source(ax, data.name)

# %% [markdown]
# The deep network stays behind, on its own training images. So this is not learning by heart, which
# would make the training loss *small*. It simply does not get there. When this was noticed in 2015, it was
# a scandal [1]: depth was what everybody wanted, and depth made networks worse.

# %% [markdown]
# ## 2 Doing nothing is hard
#
# Why is it a scandal? Because there is a solution that everybody can see. Take the good network of
# eight layers, add twelve layers that do *nothing*, that pass on what they get. The result has twenty layers and is
# exactly as good. So a deep network should never be worse. Training just doesn't find this solution.
#
# Is doing nothing so hard for a layer? Let us look at what untrained layers do to a picture. We send a
# truck through a pile of fresh blocks, and look at it on the way. (The folded cell does that.)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def send_through(block, count):
    """The picture after 0, 4, 8, … untrained blocks: the mean of all channels."""
    keras.utils.set_random_seed(SEED)
    inputs = keras.Input((32, 32, 3))
    stages = [layers.Rescaling(1 / 64, offset=-2)(inputs)]
    x = layers.ReLU()(conv_bn(stages[0], 16))
    for i in range(count):
        x = block(x, 16)
        if (i + 1) % 4 == 0:
            stages.append(x)
    maps = keras.Model(inputs, stages)(truck[None])
    return [np.asarray(m)[0].mean(axis=-1) for m in maps]


def draw_stages(rows):
    """A row of pictures for each kind of block."""
    columns = 1 + BLOCKS // 4
    size = (8.5, 2.3 * len(rows) + 0.4)
    _, axes = plt.subplots(
        len(rows), columns, figsize=size, layout="constrained", squeeze=False
    )
    for (name, maps), axs in zip(rows.items(), axes, strict=True):
        for i, (ax, values) in enumerate(zip(axs, maps, strict=True)):
            ax.imshow(values, cmap="gray")
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"after {4 * i} blocks" if i else "the truck", fontsize=9)
        axs[0].set_ylabel(name)
    plotting.label_source(axes[-1, -1], data.name)


truck = data.x_train[data.y_train == 9][TRUCK]
draw_stages({"plain": send_through(plain_block, BLOCKS)})

# %% [markdown]
# After a few blocks the truck is gone. Each block stirs the picture a little more. The last layers get
# soup, and have to learn from soup. To "do nothing", a block would need very special
# kernels: a one in the middle of the right channel and zeros everywhere else. Random weights are nowhere near.

# %% [markdown]
# ## 3 One plus sign
#
# Here is the idea of He and his colleagues [1]. If doing nothing is hard to learn, let it be the starting
# point. Send the input around the block, and *add* it to what the block has made:
#
# $$ y = x + F(x) $$
#
# Now the block only has to learn what should be *different*. That difference is called the **residual**,
# and the way around is a **shortcut**. To do nothing, the block makes all its weights zero, and nothing is
# easier than that. Compare with the plain block: one line is new.


# %% tags=["setup"]
def residual_block(x, channels, stride=1):
    y = layers.ReLU()(conv_bn(x, channels, stride))
    y = conv_bn(y, channels)
    y = layers.Add()([shortcut(x, channels, stride), y])  # the plus sign
    return layers.ReLU()(y)


# %% [markdown]
# One detail: two things can only be added if they have the same shape. Where a block makes the map smaller
# and the channels more, the shortcut has to do so, too, and as simply as possible. It takes every second pixel,
# and fills the missing channels with zeros.


# %% tags=["setup"]
def shortcut(x, channels, stride):
    """The input, in the shape that the block gives it; nothing to learn."""
    missing = channels - x.shape[-1]
    smaller = x[:, ::stride, ::stride]
    return keras.ops.pad(smaller, [(0, 0), (0, 0), (0, 0), (0, missing)])


# %% jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.6), layout="constrained")
steps = ["convolution, norm, ReLU", "convolution, norm", "ReLU"]
for ax, name in zip(axes, ("plain block", "residual block"), strict=True):
    for y, text in zip((3, 2, 0.4), steps, strict=True):
        box = {"boxstyle": "round,pad=0.5", "facecolor": "0.92", "edgecolor": "0.5"}
        ax.text(0, y, text, ha="center", va="center", bbox=box)
    arrows = [(3.9, 3.3), (2.7, 2.3), (1.7, 0.7), (0.1, -0.5)]
    if name == "residual block":
        arrows[2:3] = [(1.7, 1.38), (1.02, 0.7)]
        plus = {"boxstyle": "circle,pad=0.15", "facecolor": "tab:orange"}
        ax.text(0, 1.2, "+", ha="center", va="center", fontsize=14, bbox=plus)
        ax.plot([0, 1.7, 1.7], [3.65, 3.65, 1.2], color="tab:orange", lw=2.5)
        tip = {"arrowstyle": "-|>", "color": "tab:orange", "lw": 2.5}
        ax.annotate("", (0.18, 1.2), (1.72, 1.2), arrowprops=tip)
        ax.text(1.8, 2.4, "shortcut", color="tab:orange")
        ax.text(-0.15, 1.62, "F(x)", ha="right", va="center")
    for start_y, end_y in arrows:
        ax.annotate("", (0, end_y), (0, start_y), arrowprops={"arrowstyle": "-|>"})
    ax.text(0.12, 3.85, "x")
    ax.set(title=name, xlim=(-1.6, 2.7), ylim=(-0.6, 4.2))
    ax.set_axis_off()

# %% [markdown]
# **Before you run the cell:** what will be left of the truck behind twelve untrained *residual* blocks?

# %%
stages = {name: send_through(block, BLOCKS) for name, block in (
    ("plain", plain_block), ("residual", residual_block),
)}  # fmt: skip
draw_stages(stages)

# %% [markdown]
# You still see a truck. Every block stirs in some soup of its own, but the shortcuts carry the
# picture past all of them. The last layer has something to work with from the very first step.

# %% [markdown]
# ## 4 And on the way back
#
# Training sends two things through the network: pictures forward, and gradients backward. The gradient of a
# weight near the input has to pass all layers above it, and each multiplies it by its own derivative. Here is
# what the plus sign does to that derivative:
#
# $$ \frac{\partial y}{\partial x} = \frac{\partial\,(x + F)}{\partial x} = I + \frac{\partial F}{\partial x} $$
#
# There it is, the whole secret: an $I$, the identity. Whatever the block does, one part of the gradient goes through
# untouched. Multiply many such factors, and the product still contains an unbroken path from the loss to
# the first layer. Without the $I$, twenty factors are multiplied, and each distorts what it gets.
#
# We can measure that. For each convolution of an untrained network, how long is its gradient, compared with
# its kernel?


# %%
def gradient_by_layer(block, depth, seed):
    """For each convolution, the length of its gradient over that of its kernel."""
    keras.utils.set_random_seed(seed)
    network = build(block, depth)
    kernels = [a.kernel.value for a in network.layers if isinstance(a, layers.Conv2D)]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        logits = network(data.x_train[:PROBE], training=True)
        error = loss(data.y_train[:PROBE], logits)
    pairs = zip(tape.gradient(error, kernels), kernels, strict=True)
    return [float(tf.norm(gradient) / tf.norm(kernel)) for gradient, kernel in pairs]


# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
kinds = ("plain", plain_block, "tab:blue"), ("residual", residual_block, "tab:green")
for ax, depth in zip(axes, PROBE_DEPTHS, strict=True):
    for name, block, color in kinds:
        for seed in SEEDS:
            lengths = gradient_by_layer(block, depth, seed)
            ax.plot(range(1, depth), lengths, "o-", ms=2, color=color)
        ax.annotate(f" {name}", (depth - 1, lengths[-1]), color=color, va="center")
    ax.set(title=f"{depth} layers", xlabel="convolution, from the input", yscale="log")
    ax.set_xlim(0, 1.25 * depth)
axes[0].set_ylabel("gradient / kernel")
plotting.label_source(axes[1], data.name)

# %% [markdown]
# In the plain network the gradients grow on their way to the input, and the deeper it is, the more: at 56 layers the
# first kernels get gradients that are thousands of times as long as the last ones'. There is one learning rate for all
# of them. What is right for one layer throws another one about, or leaves it standing. With shortcuts, the curves are
# much flatter. All layers can learn at the same speed.
#
# (You will often read that without shortcuts gradients *vanish*. With batch normalisation, they explode.)

# %% [markdown]
# ## 5 Does it work?
#
# The same two depths, the same recipe, the same images. Only the plus sign is new. **Before you run the
# cell:** where will the two new lines lie?

# %%
residual = {(d, s): fit(residual_block, d, s) for d in DEPTHS for s in SEEDS}

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
draw_losses(plain, "-", axes[0])
draw_losses(residual, "-", axes[1])
axes[0].set_title("without shortcuts")
axes[1].set_title("with shortcuts")
plotting.label_source(axes[1], data.name)

# %% [markdown]
# The order has turned round. With shortcuts, twenty layers fit the images at least as well as eight, and twenty
# layers *with* shortcuts leave twenty layers *without* far behind. Nothing was added that could be trained: the two
# networks have the same number of weights, to the last one.

# %% tags=["nbval-check-output"]
for name, block in (("plain", plain_block), ("residual", residual_block)):
    print(f"{name:9} 20 layers: {build(block, 20).count_params():,} parameters")

# %% [markdown]
# ## 6 What training has to walk through
#
# A loss is a landscape: each point is one setting of all the weights, and its height is the loss there. It
# has hundreds of thousands of dimensions. But we can cut through it. We stand where training has ended, choose two
# random directions, and look at the height all around us [2]. (To be fair to both networks, each kernel of a direction is
# made as long as the kernel that it moves. The folded cell does that.)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def random_direction(network, rng):
    """A random step for every weight, each as long as what it is a step from."""
    steps = [rng.normal(size=w.shape) for w in network.trainable_weights]
    return [
        step * np.linalg.norm(np.asarray(w)) / np.linalg.norm(step)
        if w.ndim > 1
        else 0 * step
        for step, w in zip(steps, network.trainable_weights, strict=True)
    ]


def landscape(network):
    """The loss on a grid around the trained weights."""
    weights = network.get_weights()
    network = keras.models.clone_model(network)  # the original stays as it is
    network.set_weights(weights)
    rng = np.random.default_rng(SEED)
    here = [np.asarray(w).copy() for w in network.trainable_weights]
    first, second = random_direction(network, rng), random_direction(network, rng)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images, labels = data.x_train[:LANDSCAPE_IMAGES], data.y_train[:LANDSCAPE_IMAGES]
    height = tf.function(lambda: loss(labels, network(images, training=True)))
    grid = np.linspace(-REACH, REACH, GRID)
    heights = np.empty((GRID, GRID))
    for i, j in np.ndindex(heights.shape):
        for w, h, a, b in zip(
            network.trainable_weights, here, first, second, strict=True
        ):
            w.assign(h + grid[i] * a + grid[j] * b)
        heights[i, j] = float(height())
    return grid, heights


# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.8), layout="constrained", sharey=True)
for ax, (name, runs) in zip(
    axes, (("without shortcuts", plain), ("with shortcuts", residual)), strict=True
):
    network, _ = runs[max(DEPTHS), SEEDS[0]]
    grid, heights = landscape(network)
    shown = ax.contourf(grid, grid, heights, levels=np.linspace(0, 5, 21), extend="max")
    ax.plot(0, 0, "o", color="white")
    ax.set(title=name, xticks=[], yticks=[])
fig.colorbar(shown, ax=axes, label="loss", ticks=range(6))
plotting.label_source(axes[1], data.name)

# %% [markdown]
# The white dot is where training stopped. Dark is low. With shortcuts it lies in a deep, round bowl: from wherever you
# look, the slopes lead down to it. Without them there is only a shallow dent, high up. The ground is flat, and a step tells
# you little about where to go. (At twenty layers both are smooth. The inventors of these pictures show much deeper
# networks, where the left one turns into a mountain range [2].)

# %% [markdown]
# ## 7 Does it see better, too?
#
# A lower training loss is not yet a better network. So here is the last question, for images that none of the networks has
# seen. Everything is decided, and we open the test set.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
accuracies = {}
for name, runs in (("plain", plain), ("residual", residual)):
    for (depth, _), (network, _) in runs.items():
        probabilities = evaluation.predict_probabilities(network, x_test)
        right = np.mean(probabilities.argmax(axis=1) == y_test)
        accuracies.setdefault(f"{name}, {depth} layers", []).append(right)

fig, ax = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
for row, (name, values) in enumerate(accuracies.items()):
    color = "tab:green" if "residual" in name else "tab:blue"
    ax.barh(row, np.mean(values), color=color, alpha=0.4)
    ax.plot(values, [row] * len(values), "o", color=color)
ax.set(yticks=range(len(accuracies)), yticklabels=accuracies, xlabel="test accuracy")
ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.invert_yaxis()
plotting.label_source(ax, data.name)

# %% [markdown]
# Each dot is one training. Without shortcuts, twelve more layers cost many points. With them, they cost next to nothing,
# after only a few minutes and on few images. In long trainings they pay: the inventors went on to more than a hundred
# layers, and deeper was better [1].

# %% [markdown]
# ## 8 Wide instead of deep
#
# Not every residual network is deep. This is the block of a public tutorial [3], and you will meet its like often: few
# blocks, but many channels. Three things are different from ours. Can you find them?


# %%
def wide_block(x, channels):
    """The block of [3]."""
    y = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(channels, 3, padding="same", activation="relu")(y)
    if x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1)(x)  # a projection
    return layers.BatchNormalization(momentum=0.9)(layers.Add()([x, y]))


# %% [markdown]
# First, where the number of channels changes, the shortcut is a *projection*: a convolution with windows of a single
# pixel, which mixes channels and leaves places alone. It has weights to learn. Second, normalisation stands after
# the sum, so the shortcut passes through it. Third, the block ends in a ReLU *before* the sum. It can only add, never
# take away.
#
# By the reasoning of sections 3 and 4, none of this is an improvement. With three blocks it does no harm. In a pile of fifty,
# it would. And what does width cost?

# %%
for name in ("resnet20", "residual_cnn", "valid_cnn"):
    network = build_model(name)
    recipe = RECIPES[name]
    work = sum(operations(network, recipe, images=50_000).values())
    million = work / 50_000 / recipe.epochs / 1e6
    print(f"{name:13}{network.count_params():10,} parameters, ", end="")
    print(f"{million:6,.0f} million operations for each image and epoch")

# %% [markdown]
# (`resnet20` is our family at twenty layers, `residual_cnn` the tutorial's network, and `valid_cnn` that of notebook
# 02.) A convolution's cost grows with the channels that come in *times* the channels that go out. Four times as many
# channels cost sixteen times as much.
#
# ## 9 Which should I choose?
#
# * **For a quick first result,** take the network of notebook 02. It costs next to nothing.
# * **For more than a handful of layers,** take shortcuts. They cost nothing, and they decide whether it trains.
# * **For accuracy at any price,** take a residual network, make it wide, and train it long.
#
# Any price? Notebook 05 asks how much of that price is really needed.

# %% [markdown]
# ## Check your understanding
#
# **1.** A plain network of twenty layers has a higher training loss than one of eight. Why is this not
# overfitting?
#
# <details><summary>Answer</summary>A network that learns by heart has a <i>low</i> loss on its training images. This
# one can't even fit those.</details>
#
# **2.** What does a residual block do if all its weights are zero? And a plain one?
#
# <details><summary>Answer</summary>The residual block passes on its input (ours after a ReLU, which changes nothing, since the input has been through
# one). The plain one passes on zeros, and everything that came before it is lost.</details>
#
# **3.** Network A is better after ten epochs, network B after ten minutes. Which one is better?
#
# <details><summary>Answer</summary>That depends on what you are short of. If it is time, B. An epoch is nobody's
# budget.</details>

# %% [markdown]
# ## How far to trust this
#
# > Sections 1 and 5 are short trainings on few images, two seeds each, by one recipe at one learning rate. They show the effect, not
# > its size in long trainings; the inventors' paper does that [1]. The gradients are of one batch before the first
# > step. A landscape is a slice through two random directions out of hundreds of thousands, and another pair would look a
# > little different. The test accuracies are of minutes of training on few images, so compare them with one another
# > only.

# %% [markdown]
# ## Three takeaways
#
# * A deep plain network fails at *training*, not at generalising. Its layers stir what passes through them, forward
#   and backward.
# * A shortcut makes doing nothing the starting point. One plus sign, no weights, and depth becomes useful.
# * Depth, width and cost are three different things. Compare networks by what they cost.

# %%
print(f"{'network':20}{'training loss':>15}{'test':>8}   (means)")
for name, runs in (("plain", plain), ("residual", residual)):
    for depth in DEPTHS:
        losses = [runs[depth, seed][1]["loss"][-1] for seed in SEEDS]
        label = f"{name}, {depth} layers"
        print(f"{label:20}{np.mean(losses):15.2f}{np.mean(accuracies[label]):8.1%}")

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 04](solutions/04_residual_network.ipynb).

# %% [markdown]
# **Exercise 1 ★** Write `convolutions(depth)`: how many convolutions of 3 × 3 a network of our family has. It is called
# "twenty layers", but how many of them are convolutions?


# %% tags=["answer-1"]
def convolutions(depth):
    return None  # your answer: a whole number


# %% tags=["check-1"]
def count(depth):
    network = build(residual_block, depth)
    return sum(isinstance(layer, layers.Conv2D) for layer in network.layers)


cases = [((depth,), count(depth)) for depth in (8, 14, 20)]
check_answer(1, convolutions, cases, "Which layer of the twenty is no convolution?")

# %% [markdown]
# **Why?** The tutorial that `residual_cnn` comes from states 2,229,248 trained parameters. Ours has some more. All widths of the
# network are multiples of 64, and its last layer is a dense one with ten outputs *and ten biases*. Without building
# anything, you can prove that the stated number is wrong. How?
#
# <details><summary>Answer</summary>Divide by 64. Every layer but the last has a multiple of 64 parameters, since each has one or more
# factors that are. The last has 256 · 10 weights, again a multiple, and ten biases. So the total must leave
# 10. The stated number leaves 0. It belongs to another version of the code, or to a count by hand.</details>

# %% [markdown]
# **Exercise 2 ★★** In a later paper [4], He and his colleagues put normalisation and ReLU *in front of* the
# convolutions, so that nothing stands after the sum and the path is truly free: normalise, ReLU, convolve,
# normalise, ReLU, convolve, add. Write `free_block(x, channels)` for an unchanged number of channels.


# %% tags=["answer-2"]
def free_block(x, channels):
    return None  # your answer: a tensor of the shape of x


# %% tags=["check-2"]
def judge_block(outputs):
    if outputs is None or tuple(outputs.shape) != (None, 8, 8, 16):
        return f"it should give the shape of x, not {getattr(outputs, 'shape', None)}"
    block = keras.Model(x_in, outputs)
    convolutions = [a for a in block.layers if isinstance(a, layers.Conv2D)]
    if len(convolutions) != 2:
        return f"it has {len(convolutions)} convolutions, not two"
    maps = keras.random.normal((2, 8, 8, 16), seed=SEED)
    if np.allclose(block(maps), maps):
        return "it does nothing from the start"
    convolutions[-1].set_weights([0 * w for w in convolutions[-1].get_weights()])
    same = np.allclose(block(maps), maps, atol=1e-4)
    return None if same else "x does not pass it when the last kernel is zero"


x_in = keras.Input((8, 8, 16))
check_answer(2, free_block, [((x_in, 16), judge_block)], "Nothing may follow the sum.")

# %% [markdown]
# **Exercise 3 ★★★ An open challenge.** Change `residual_block` as you like (or use your `free_block`, or another width) and train twenty
# layers with `fit`, for the same epochs on the same images. Beat the training loss of section 5 *and* look at the
# validation images. Write it as `better_block(x, channels, stride)`. The check only sees to it that it can be built; our attempt is in the solutions.


# %% tags=["answer-3"]
def better_block(x, channels, stride=1):
    return None  # your answer: a tensor


# %% tags=["check-3"]
def judge_network(outputs):
    if outputs is None:
        return "it gives None"
    network = build(better_block, 8)
    ours = build(residual_block, 8).count_params()
    if network.count_params() > 1.1 * ours:
        return f"eight layers have {network.count_params():,} parameters, not {ours:,}"
    return None


case = ((keras.Input((8, 8, 16)), 16, 1), judge_network)
check_answer(3, better_block, [case], "Keep the sum; change what is around it.")

# %% [markdown]
# ## References
#
# 1. K. He et al., [Deep Residual Learning for Image Recognition](https://arxiv.org/abs/1512.03385), 2015.
# 2. H. Li et al., [Visualizing the Loss Landscape of Neural Nets](https://arxiv.org/abs/1712.09913), 2018.
# 3. s4 in [the ledger](../results/README.md) of this series, which quotes its description, its stated count and its claim.
# 4. K. He et al., [Identity Mappings in Deep Residual Networks](https://arxiv.org/abs/1603.05027), 2016.
#
# **Previous:** [03 · Data augmentation](03_data_augmentation.ipynb) ·
# **Next:** [05 · A better recipe](05_a_better_recipe.ipynb)
