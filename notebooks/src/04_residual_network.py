# %% [markdown]
# # 04 · A residual network
#
# **Take a network of eight layers that works. Give it twelve more. It has everything that it had
# before, and more besides. And it gets worse: not just on new pictures, but even on the very pictures that it
# is trained on. How can more be less? The cure is one plus sign, and it changed deep learning.**
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
    package = f"git+{repository}@v0.2.0"
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
from cifar_utils.data import CLASS_NAMES, load_cifar10, load_cifar10_test
from cifar_utils.fast.pipeline import untuned
from cifar_utils.models import build_model
from cifar_utils.operations import operations
from cifar_utils.pretrained import TRAINED, load_histories, load_trained
from cifar_utils.training import RECIPES

# %% [markdown]
# ## Settings
#
# This cell holds everything that you may want to change. The names are explained where they are used.

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
TRUCK = 25  # which of the trucks we look at

# %% [markdown]
# ## 1 Deeper is worse?
#
# We build a family of networks that can be made as deep as we like. A *block* is two convolutions, each with the batch
# normalisation and the ReLU that you know from notebook 02.


# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=IMAGES)
print(f"{data.name}: {len(data.x_train):,} training images")


# %% tags=["setup"]
def conv_bn(x, channels, stride=1):
    """A convolution and its normalisation, which adds the biases."""
    x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def plain_block(x, channels, stride=1):
    y = layers.ReLU()(conv_bn(x, channels, stride))
    y = conv_bn(y, channels)
    return layers.ReLU()(y)


# %% [markdown]
# The network starts with one convolution. Then come three stages of blocks, with 16, 32 and 64 channels.
# The first block of the second and the third stage slides its windows by two pixels (a stride of two), so the maps get half as wide and half as
# high. At the end stands *global average pooling*, the mean of each channel over its map, and one dense layer. With
# $n$ blocks in each stage, that makes $1 + 6n + 1$ layers: 8, 14, 20 and so on. This is the
# family that Kaiming He and his colleagues used for CIFAR-10 [1].


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
# then falls along a cosine. (`untuned` you may ignore; notebook 06 explains it.)


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
# better? We train each twice, from different random starts.

# %%
plain = {(d, s): fit(plain_block, d, s) for d in DEPTHS for s in SEEDS}


# %% alt="Training losses by epoch: the networks of eight layers end lower than those of twenty."
BLUE, GREEN, ORANGE, GREY = "tab:blue", "tab:green", "tab:orange", "0.5"


def draw_losses(runs, color, ax):
    """One line for each training; the depth is written at its end."""
    for (depth, seed), (_, history) in runs.items():
        shade = GREY if depth == DEPTHS[0] else color
        ax.plot(range(1, EPOCHS + 1), history["loss"], color=shade)
        if seed == SEEDS[0]:
            where, side = (
                (EPOCHS, history["loss"][-1]),
                "bottom" if shade == GREY else "top",
            )
            ax.annotate(f" {depth} layers", where, color=shade, va=side)
    ax.set(xlabel="epoch", xlim=(0.8, EPOCHS * 1.3), xticks=range(1, EPOCHS + 1))
    ax.margins(y=0.12)


fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
draw_losses(plain, BLUE, ax)
ax.set_ylabel("training loss")
plotting.label_source(ax, data.name)

# %% [markdown]
# The deep network stays behind, on its own training images. So this is not learning by heart, which
# would make the training loss *small*. When this was noticed in 2015, in much longer trainings than ours, it was a
# puzzle [1]: depth was what everybody wanted, and depth made networks worse.

# %% [markdown]
# ## 2 Doing nothing is hard
#
# Why is it a puzzle? Because there is a solution that everybody can see. Take the good network of
# eight layers, add twelve layers that do *nothing*, that pass on what they get. The result has twenty layers and is
# exactly as good. So a deep network should never be worse. Training just doesn't find this solution.
#
# Is doing nothing so hard for a layer? Let us look at what untrained layers do to a picture. We send a
# truck through a pile of fresh blocks, and look at it on the way, at the mean of all channels. (The folded cell does that.)


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


# %% alt="A truck, and what is left of it after 4, 8 and 12 untrained blocks: soup." jupyter={"source_hidden": true} tags=["hide-input"]
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
# After four blocks it is a smudge; after twelve the truck is gone. Each block stirs the picture a little more. The last layers get
# soup, and have to learn from soup. To "do nothing", a block would need very special
# kernels: a one in the middle of the right channel and zeros everywhere else. Random weights are nowhere near.

# %% [markdown]
# ## 3 One plus sign
#
# Here is the idea of He and his colleagues [1]. If doing nothing is hard to learn, make it easy. Send the input around the
# block, and *add* it to what the block has made, $F(x)$:
#
# $$ y = x + F(x) $$
#
# Now the block only has to learn what should be *different*. That difference is called the **residual**,
# and the way around is a **shortcut**. To do nothing, the block makes all its weights zero, and nothing is
# easier than that. (A ReLU comes after the sum. We leave it out of the formulas.) Compare with the plain block: one line
# is new.


# %% tags=["setup"]
def residual_block(x, channels, stride=1):
    y = layers.ReLU()(conv_bn(x, channels, stride))
    y = conv_bn(y, channels)
    y = layers.Add()([shortcut(x, channels, stride), y])  # the plus sign
    return layers.ReLU()(y)


# %% [markdown]
# One detail: two things can only be added if they have the same shape. Where a block halves the map
# and adds channels, the shortcut has to do so, too, and as simply as possible. It takes every second pixel,
# and fills the missing channels with zeros.


# %% tags=["setup"]
def shortcut(x, channels, stride):
    """The input, in the shape that the block gives it; nothing to learn."""
    missing = channels - x.shape[-1]
    smaller = x[:, ::stride, ::stride]
    return keras.ops.pad(smaller, [(0, 0), (0, 0), (0, 0), (0, missing)])


# %% alt="Two block diagrams, the same but for an arrow around the right one, which ends in a plus sign." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
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
# **Before you run the cell:** what will be left of the truck after twelve untrained *residual* blocks?

# %% alt="Two rows: through plain blocks the truck is soon gone; through residual blocks it is still there at the end."
stages = {
    name: send_through(block, BLOCKS)
    for name, block in (("plain", plain_block), ("residual", residual_block))
}
draw_stages(stages)

# %% [markdown]
# You still see a truck. Every block stirs in some soup of its own, but the shortcuts carry the
# picture past all of them. The last layer has something to work with from the very first step.

# %% [markdown]
# ## 4 And on the way back
#
# Training sends two things through the network: pictures forward, and gradients backward. The gradient of a
# weight near the input has to pass all layers between it and the loss, and each multiplies it by its own derivative. Here is
# what the plus sign does to that derivative:
#
# $$ \frac{\partial y}{\partial x} = \frac{\partial\,(x + F)}{\partial x} = I + \frac{\partial F}{\partial x} $$
#
# There is an $I$, the identity, the matrix that changes nothing. Whatever the block does, one part of the gradient goes
# past it, and only a ReLU can stop it. Multiply many such factors, and the product still contains a nearly unbroken
# path from the loss to the first layer. Without the $I$, every block distorts the gradient, and nothing goes past.
#
# We can measure that. For each convolution of an untrained network, how long is its gradient (as one long vector),
# compared with its kernel?


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


# %% alt="Gradient lengths by layer, at 20 and 56 layers: the plain networks' rise steeply towards the input, the residual ones' are much flatter."
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
kinds = ("plain", plain_block, BLUE), ("residual", residual_block, GREEN)
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
# In the plain network the gradients grow on their way to the input. At twenty layers, the first are an order of magnitude
# ahead. At 56 it is hopeless: relative to their kernels, the first gradients are thousands of times as long as the last
# ones. There is one learning
# rate for all of them, and what is right for one layer is far too large for another. With shortcuts, the curves are much
# flatter. The layers can learn at more similar speeds.
#
# (You will often read that without shortcuts gradients *vanish*. With batch normalisation, they explode. A fresh plain block
# stretches a gradient by a little, and many stretches multiply. In a residual network $x$ grows with every sum, while normalisation
# keeps $F(x)$ the same size. So $F$ counts less and less beside $x$, and its derivative beside $I$ [5].)

# %% [markdown]
# ## 5 Does it work?
#
# The same two depths, the same recipe, the same images. Only the plus sign is new. **Before you run the
# cell:** where will the two new lines lie?

# %%
residual = {(d, s): fit(residual_block, d, s) for d in DEPTHS for s in SEEDS}

# %% alt="Training losses without and with shortcuts: only with them twenty layers end as low as eight."
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
draw_losses(plain, BLUE, axes[0])
draw_losses(residual, GREEN, axes[1])
axes[0].set(title="without shortcuts", ylabel="training loss")
axes[1].set_title("with shortcuts")
plotting.label_source(axes[1], data.name)

# %% [markdown]
# The gap is gone. With shortcuts, twenty layers no longer stay behind eight, and twenty layers *with* shortcuts leave twenty
# layers *without* far behind. Nothing was added that could be trained: the two networks have the same number of
# weights, to the last one.

# %% tags=["nbval-check-output"]
for name, block in (("plain", plain_block), ("residual", residual_block)):
    print(f"{name:9} 20 layers: {build(block, 20).count_params():,} parameters")

# %% [markdown]
# A lower training loss is not yet a better network. What share do they get right of pictures that none of them has seen, the
# validation images?


# %% tags=["setup"]
def validation_accuracy(network):
    return network.evaluate(data.x_val, data.y_val, batch_size=500, verbose=0)[1]


# %%
for name, runs in (("plain", plain), ("residual", residual)):
    for depth in DEPTHS:
        right = [validation_accuracy(runs[depth, seed][0]) for seed in SEEDS]
        print(
            f"{name:9} {depth:2} layers: {np.mean(right):.0%} of the validation images"
        )

# %% [markdown]
# Without shortcuts, twelve more layers cost a lot of accuracy. With them, next to nothing. And shortcuts even help the
# shallow network. We can't expect more from so short a training. In long trainings depth pays: the inventors went on to more than a hundred layers, and deeper was better [1].

# %% [markdown]
# ## 6 Where training ended
#
# A loss is a landscape: each point is one setting of all the weights, and its height is the loss there. It
# has hundreds of thousands of dimensions. But we can cut through it. We stand where training has ended, choose two
# random directions, and look at the height all around us [2]. (To be fair to both networks, we scale each random kernel
# to the length of the kernel that it is added to. The folded cell does that.)


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


# %% jupyter={"source_hidden": true} tags=["hide-input"]
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
grounds = {}
for name, runs in (("without shortcuts", plain), ("with shortcuts", residual)):
    grid, grounds[name] = landscape(runs[max(DEPTHS), SEEDS[0]][0])
lowest = min(heights.min() for heights in grounds.values())

# %% alt="Two landscapes seen from above: without shortcuts a shallow dent high up, with them a deeper bowl."
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.8), layout="constrained", sharey=True)
for ax, (name, heights) in zip(axes, grounds.items(), strict=True):
    levels = np.linspace(lowest, lowest + 1.5, 16)
    shown = ax.contourf(grid, grid, heights, levels=levels, extend="both")
    ax.plot(0, 0, "o", color="white")
    ax.set(title=name, xlabel="a random direction", xticks=[], yticks=[])
axes[0].set_ylabel("another one")
fig.colorbar(shown, ax=axes, label="loss", format="%.1f")
plotting.label_source(axes[1], data.name)

# %% [markdown]
# The white dot is where training stopped. Dark is low. With shortcuts it lies in the deeper bowl, and in these two directions
# the slopes around it lead down to it. Without them there is a shallower dent, higher up, and the ground around it
# is flatter. This matches section 5: training has not come down as far. (The loss is that of some training images. At the
# edges, each random kernel that we add is as long as the trained one. At twenty layers both landscapes are smooth. The inventors of these pictures show much deeper networks, where the
# left one turns into a mountain range [2].)

# %% [markdown]
# ## 7 Trained in earnest
#
# So far we trained for minutes on few images, to understand. What does a residual network reach when it is
# trained in earnest, on all images? That takes longer than we want to wait here. So we look at how such a training
# went, and load the network that came out of it. It is not one of our family. `residual_cnn` has few blocks but many channels,
# and section 8 takes it apart. Its rival is the best that the series has had so far: the network of notebook 02, trained by
# a better recipe than there.

# %% alt="Validation accuracy by epoch: the residual network trains longer and ends well above the network of notebook 02."
rivals = {"residual_cnn": "residual network", "valid_cnn": "notebook 02's network"}
colors = {"residual_cnn": GREEN, "valid_cnn": ORANGE}
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for network, side in (("residual_cnn", "center"), ("valid_cnn", "bottom")):
    accuracy = load_histories(TRAINED[network].recipe)[0]["val_accuracy"]
    ax.plot(range(1, len(accuracy) + 1), accuracy, color=colors[network])
    end = (len(accuracy), accuracy[-1])
    ax.annotate(f" {rivals[network]}", end, color=colors[network], va=side)
ax.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0.4, 1), xlim=(0, 42))
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
plotting.label_source(ax, data.name)

# %% [markdown]
# The residual network takes its time. (For the first half of its epochs the images are shown at half their size, then for a
# while at three quarters, which is cheaper; and the rate is high. Notebook 05 explains both, and the dips, too.)
#
# All choices are made, so we may open the test images.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
answers = {}
for network, name in rivals.items():
    probabilities = evaluation.predict_probabilities(load_trained(network), x_test)
    answers[network] = probabilities.argmax(axis=1)
    accuracy = evaluation.accuracy_interval(y_test, answers[network])
    print(f"{name:22} {accuracy}")

# %% [markdown]
# The residual network wins, and the 95 % intervals in brackets are far apart. No network before it in this series comes
# near. What exactly does it see better? Here are the mistakes of both, class by class.

# %% alt="Share of mistakes by class for both networks: fewer for the residual network in every class, most for cats in both."
fig, ax = plt.subplots(figsize=(7.5, 3), layout="constrained")
for shift, (network, name) in zip((-0.2, 0.2), rivals.items(), strict=True):
    wrong = [np.mean(answers[network][y_test == c] != c) for c in range(10)]
    ax.bar(np.arange(10) + shift, wrong, 0.4, label=name, color=colors[network])
ax.set(xticks=range(10), ylabel="share wrong")
ax.set_xticklabels(CLASS_NAMES, rotation=30)
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.legend()
plotting.label_source(ax, data.name, above=True)

# %% [markdown]
# It makes fewer mistakes in every class. But the *shape* of the two is the same: cats are hardest for both, then
# dogs and birds.
#
# Is it the shortcuts that won? We can't say. This network is also larger, and it was trained for longer. What shortcuts
# do at equal size you have seen in section 5. Next: what does size cost?

# %% [markdown]
# ## 8 Wide instead of deep
#
# We rebuilt `residual_cnn` from the description of a public tutorial [3]. It is a variant that you will meet often: three
# blocks, of 128, 256 and 256 channels. Compare its block with ours. Which differences can you find?


# %%
def wide_block(x, channels):
    """The block of [3]."""
    y = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(channels, 3, padding="same", activation="relu")(y)
    if x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1)(x)  # a projection
    return layers.BatchNormalization(momentum=0.9)(layers.Add()([x, y]))


# %% [markdown]
# Three of them matter. First, where the number of channels changes, the shortcut is a *projection*: a convolution with windows
# of a single pixel, which mixes the channels of each pixel by itself. It has weights to learn. Second, normalisation stands
# after the sum, so the shortcut passes through it. Third, the block ends in a ReLU *before* the sum. It can only add,
# never take away.
#
# By the reasoning of sections 3 and 4, none of this is an improvement. With three blocks we expect little harm. In a pile of
# fifty we would expect to see it. And what does width cost?

# %%
for name in ("resnet20", "residual_cnn", "valid_cnn"):
    network = build_model(name)
    recipe = RECIPES[name]
    work = sum(operations(network, recipe, images=50_000).values())
    million = work / 50_000 / recipe.epochs / 1e6
    print(f"{name:13}{network.count_params():10,} parameters, ", end="")
    print(f"{million:6,.0f} million operations for each image and epoch")

# %% [markdown]
# (`resnet20` is our family at twenty layers, and `valid_cnn` is the network of notebook 02. An *operation* is one
# multiplication or one addition; the way back is counted, too. The images are whole here; on smaller ones, as in the
# training above, it is less.) A convolution's cost grows with the channels that come in *times* the channels that go
# out. `residual_cnn` has four to eight times our channels. Only that it has few layers, and pools between its blocks, keeps
# its cost down.
#
# ## 9 Which should I choose?
#
# Here are all networks that come trained with this package. (Our family is not among them: it needs longer to train.) Further right: costlier to train (a PFLOP is 10¹⁵ operations; smaller
# images count for what they cost).
# Higher: more often right.

# %% alt="Test accuracy against the cost of training for four networks: the residual one costs most, a fast one gets as far for much less."
fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for network, about in TRAINED.items():
    model = build_model(network, **about.options)
    cost = sum(operations(model, about.recipe, images=45_000).values()) / 1e15
    color = colors.get(network, GREY)
    ax.plot(cost, about.test_accuracy, "o", color=color)
    ax.annotate(f"   {network}", (cost, about.test_accuracy), va="center", color=color)
ax.set(xlabel="operations of the training (PFLOP)", ylabel="test accuracy")
ax.set(xscale="log", xlim=(0.015, 5))
for axis, form in ((ax.xaxis, "{x:g}"), (ax.yaxis, PercentFormatter(1, decimals=0))):
    axis.set_major_formatter(form)
plotting.label_source(ax, data.name)

# %% [markdown]
# * **For a quick first result,** take `valid_cnn`. It costs next to nothing.
# * **For more than a handful of layers,** take shortcuts. They cost nothing, and the gradients thank you.
# * **For the most accurate network of notebooks 01 to 04,** take `residual_cnn`, and pay for it.
#
# And look at the two points that start with *fast*. They are neither deep nor very wide, and they have no shortcuts at all. One
# of them does at least as well as the residual network, for a fraction of the cost. How? That is notebook 05.

# %% [markdown]
# ## Check your understanding
#
# **1.** A plain network of twenty layers has a higher training loss than one of eight. Why is this not
# overfitting?
#
# <details><summary>Answer</summary>A network that learns by heart has a <i>low</i> loss on its training images. This
# one stays behind even on those.</details>
#
# **2.** What does a residual block do if all its weights are zero? And a plain one?
#
# <details><summary>Answer</summary>The residual block passes on its input (ours after a ReLU, which changes nothing, since the input has been through
# one). The plain one passes on zeros, and everything that came before it is lost.</details>
#
# **3.** Network A is better after ten epochs, network B after ten minutes. Which one is better?
#
# <details><summary>Answer</summary>That depends on what you are short of. If it is time, B. Hardly anybody is short of
# epochs.</details>

# %% [markdown]
# ## How far to trust this
#
# > Sections 1 and 5 are short trainings on few images, two seeds each, by one recipe at one learning rate. They show the effect, not
# > its size in long trainings; the inventors' paper does that, at depths up to a thousand layers [1]. The
# > gradients are of one batch before the first step. A landscape is a slice through two random directions out of
# > hundreds of thousands, and another pair would look a little different. The networks of sections 7 and 9 are one
# > run each, on 45,000 images, as they were after their last epoch. Their recipes were chosen by validation images.

# %% [markdown]
# ## Three takeaways
#
# * A deep plain network stays behind in *training*. Its layers stir what passes through them, forward and backward.
# * A shortcut passes things on by default, and the block only adds to them. One plus sign, no weights, and depth stops
#   hurting. In long trainings it pays [1].
# * Depth, width and cost are three different things. Compare networks by what they cost.
#
# | choice | what it does | what it costs |
# |---|---|---|
# | more layers, plain | train worse | operations |
# | a shortcut | lets pictures and gradients pass | nothing |
# | a projection in it | fits the channels to each other, with weights | a little |
# | normalisation in front (exercise 2) | leaves nothing on the shortcut's path, not even a ReLU | nothing |
# | twice the channels | more kinds of things to look for | four times the operations |

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
# **Why?** The last normalisation of a block has a scale for each channel, which Keras starts at one. Some people start it at
# zero. What does the untrained network then do, and why might that be a good start?
#
# <details><summary>Answer</summary>Then $F(x)$ is zero, whatever the kernels are, and each block passes on exactly what it gets. The
# untrained network is a shallow one: its first convolution, the halvings and the last layer. Training opens the blocks as far
# as it needs them. Our solution of exercise 3 tries it.</details>

# %% [markdown]
# **Exercise 2 ★★** In a later paper [4], He and his colleagues put normalisation and ReLU *in front of* the
# convolutions, so that nothing stands after the sum and the path is truly free: normalise, ReLU, convolve,
# normalise, ReLU, convolve, add. Write `free_block(x, channels)` for an unchanged number of channels.


# %% tags=["answer-2"]
def free_block(x, channels):
    return None  # your answer: a tensor of the shape of x


# %% tags=["check-2"]
def judge_block(outputs):
    if tuple(outputs.shape) != (None, 8, 8, 16):
        return f"it should give the shape of x, not {outputs.shape}"
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
# layers with `fit`, for the same epochs on the same images. Beat the training loss of section 5 *and* the accuracy on
# validation images, which `validation_accuracy` tells. Write it as `better_block(x, channels, stride)`. The check only sees to it that it can be built; our attempt is in the solutions.


# %% tags=["answer-3"]
def better_block(x, channels, stride=1):
    return None  # your answer: a tensor


# %% tags=["check-3"]
def judge_network(outputs):
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
# 3. A public tutorial, called s4 in [the ledger](../results/README.md) of this series, where all our runs are recorded. It
#    quotes the tutorial's description and its claim.
# 4. K. He et al., [Identity Mappings in Deep Residual Networks](https://arxiv.org/abs/1603.05027), 2016.
# 5. S. De and S. Smith, [Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks](https://arxiv.org/abs/2002.10444), 2020.
#
# **Previous:** [03 · Data augmentation](03_data_augmentation.ipynb) ·
# **Next:** [05 · A better recipe](05_a_better_recipe.ipynb)
