# %% [markdown]
# # 02 · A baseline CNN
#
# **Slide a photograph of a truck a few pixels to the side. To you it is the same truck. To the best
# model of notebook 01 it is a new problem, and often a lost one. In this notebook you build a network
# that looks for the same things everywhere, you train it, and you open it up to see what it has found. Then you slide
# the truck again, and there is a surprise.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/02_baseline_cnn.ipynb)
#
# **You will learn** what a convolution is and why pictures need it, how to build and train a
# network of them, how to look inside it, and how to judge it fairly.
#
# **Before you start** you need Python, NumPy and what a gradient is.
# [Notebook 01](01_explore_the_dataset.ipynb) introduces the images.
#
# **Runtime** about 12 minutes on two processor cores, two on a GPU.
#
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
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from sklearn.linear_model import LogisticRegression

from cifar_utils import evaluation, plotting
from cifar_utils.data import CLASS_NAMES, load_cifar10, load_cifar10_test
from cifar_utils.fast.pipeline import untuned
from cifar_utils.pretrained import load_histories, load_trained

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
TEST_LIMIT = None
EPOCHS = 10
BATCH_SIZE = 128
PEAK_RATE = 2e-3  # the learning rate at the start
DROPOUT = 0.2
BN_MOMENTUM = 0.9
LINEAR_IMAGES = 10_000  # for the linear model
SHIFTS = (0, 1, 2, 4, 6, 8)  # pixels
TRUCK = 18  # which of the trucks we look at
MISTAKES = 14

# %% [markdown]
# ## 1 What happens when things move?
#
# Notebook 01 ended with a linear model. It has one weight for each pixel, which makes one
# template for each class. Here it is again, trained on fewer images to save time.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
print(f"{data.name}: {len(data.x_train):,} training images", end=", ")
print(f"{len(data.x_val):,} validation images")

# %%
truck = data.x_train[data.y_train == 9][TRUCK]


def as_rows(images):
    """One row of numbers from -1 to 1 for each image."""
    return images.reshape(len(images), -1) / np.float32(127.5) - 1


linear = LogisticRegression(C=4e-4, max_iter=200, tol=1e-2)
few = slice(LINEAR_IMAGES)
_ = linear.fit(as_rows(data.x_train[few]), data.y_train[few])

# %% [markdown]
# Now we slide images to the right. What falls off at one side comes back at the other, with a seam where the two meet. **Before you run the next two cells:** how many pixels does it take until the
# linear model is hurt?

# %%
slid = np.stack([np.roll(truck, pixels, axis=1) for pixels in SHIFTS])
titles = [f"{pixels} pixels" for pixels in SHIFTS]
ax = plotting.plot_images(slid, titles, columns=len(SHIFTS), data_name=data.name)


# %%
def accuracy_when_slid(classify):
    """Share of the validation images that are classified correctly, for each shift."""
    moved = [np.roll(data.x_val, pixels, axis=2) for pixels in SHIFTS]
    return [np.mean(classify(images) == data.y_val) for images in moved]


linear_slid = accuracy_when_slid(lambda images: linear.predict(as_rows(images)))

# %%
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(SHIFTS, linear_slid, "o-")
ax.set(xlabel="pixels to the right", ylabel="validation accuracy", ylim=(0, 0.5))
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
plotting.label_source(ax, data.name)

# %% [markdown]
# The first pixel or two hardly matter. Then it goes downhill, and the model loses a good part of what it knew. To you, it is
# still the same truck. Its templates are nailed to their place. A wheel that it has learned
# at the lower left tells it nothing about a wheel at the lower right.
#
# So we want a detector that doesn't care *where* a thing is. Keep this curve in mind. We shall
# draw it again at the end.
#
# ## 2 Look through a small window
#
# Here is the idea. Don't look at the whole picture at once. Look at it through a window of
# 3 × 3 pixels, ask one question about what you see there, write down the answer, and slide the
# window on by one pixel. Ask the *same* question everywhere.
#
# The question is a small grid of numbers, called a **kernel**. Lay it on the patch under the
# window, multiply number by number, and add everything up:
#
# $$ y_{i,j} = \sum_{a=0}^{2} \sum_{b=0}^{2} k_{a,b} \; x_{i+a,\,j+b} $$
#
# That is a **convolution**, all of it. In code it is two loops:


# %%
def convolve(image, kernel):
    """Slide `kernel` over a grey `image`; one number for each place of the window."""
    size = len(kernel)
    height, width = np.array(image.shape) - size + 1
    return np.array(
        [
            [np.sum(kernel * image[i : i + size, j : j + size]) for j in range(width)]
            for i in range(height)
        ]
    )


# %% [markdown]
# What kind of question can nine numbers ask? This kernel has negative numbers on its left and
# positive ones on its right. On an even patch they cancel out. **Before you run the cell:** which
# lines of the truck will light up, and which will stay dark?

# %%
upright = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
grey = truck.mean(axis=-1)
response = convolve(grey, upright)


def show(panels):
    """Grey pictures side by side, each under its name."""
    size = {"figsize": (2.8 * len(panels), 2.8), "layout": "constrained"}
    _, axes = plt.subplots(1, len(panels), squeeze=False, **size)
    for ax, (title, values) in zip(axes[0], panels.items(), strict=True):
        ax.imshow(values, cmap="gray")
        ax.set(title=title, xticks=[], yticks=[])
    plotting.label_source(axes[0, -1], data.name)


show({"a truck": grey, "the kernel": upright, "its answers": np.abs(response)})

# %% [markdown]
# Upright edges glow: left and right of them, the picture differs. Level edges stay dark, because
# along a level line both sides look alike. Nine numbers have become a detector of upright edges.
# Its answers, put side by side, make a new picture, which is called a **feature map**.
#
# Is this detector nailed to its place, too? We slide the truck by five pixels and ask again. If
# the place doesn't matter, the feature map should slide by five pixels, and change in no other
# way.

# %% tags=["nbval-check-output"]
moved = np.roll(grey, 5, axis=1)
difference = convolve(moved, upright)[:, 5:] - response[:, :-5]
print("largest difference, after sliding back:", np.abs(difference).max())

# %% [markdown]
# Not the slightest difference. This property is called **translation equivariance**: move the
# picture, and the answers move along. What a kernel has learned about wheels in one place, it knows
# about wheels in every place. And it is cheap. The linear model has a weight for each of 3,072
# numbers and class; a kernel like this one has nine.
#
# ## 3 From one kernel to a layer
#
# Real images have colours. The three numbers of a pixel, red, green and blue, are its **channels**,
# and a kernel simply gets a grid for each. Real layers have many kernels. Each makes a
# feature map of its own, and these maps are the channels of what comes out:
#
# $$ y_{i,j,d} = b_d + \sum_{a,\,b,\,c} k_{a,b,c,d} \; x_{i+a,\,j+b,\,c} $$
#
# Each new channel *d* sums over all channels *c* of the patch, and gets one number added, its *bias*. Keras calls this layer `Conv2D`. Does it do the same as
# our two loops? We give it our kernel, and look.

# %% tags=["nbval-check-output"]
one_kernel = layers.Conv2D(filters=1, kernel_size=3, use_bias=False)
batch = grey[None, :, :, None].astype("float32")  # one image, one channel
one_kernel.build(batch.shape)
one_kernel.set_weights([upright[:, :, None, None].astype("float32")])
from_keras = np.asarray(one_kernel(batch))[0, :, :, 0]
print(
    "map:",
    from_keras.shape,
    "same as ours:",
    np.allclose(from_keras, response, atol=0.01),
)

# %% [markdown]
# The map has 30 × 30 places, not 32 × 32, since the window has to stay inside the picture.
# That is called *valid* padding. With *same* padding, a rim of zeros is put around the picture
# first, and the map keeps its size. The window can also slide by two pixels at a time, which makes
# the map half as large; the step is called the **stride**.
#
# Why put a convolution on top of a convolution? A window of three pixels sees very little. But the
# second layer looks at a window of *answers*, and each of them has seen a window of its own. The
# picture shows one row of pixels, from the side.

# %% jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
for level, reach in enumerate((3, 2, 1, 0)):
    for place in range(-5, 6):
        seen = abs(place) <= reach
        if seen and level:
            for under in (-1, 0, 1):
                ends = [place, place + under], [level, level - 1]
                ax.plot(*ends, color="tab:orange", lw=1, zorder=0)
        color = "tab:orange" if seen else "0.85"
        size = 0.8 if abs(place) <= 5 - level else 0
        corner = (place - size / 2, level - 0.13)
        ax.add_patch(Rectangle(corner, size, 0.26, color=color))
    text = f"layer {level}: sees {2 * level + 1} pixels" if level else "the pixels"
    ax.text(6, level, text, va="center")
ax.set(xlim=(-5.6, 10.5), ylim=(-0.4, 3.4))
ax.set_axis_off()

# %% [markdown]
# Follow the lines down. One answer of the third layer rests on seven pixels, though no window is
# wider than three. This is its **receptive field**. Layers near the input can only see edges and
# colours. Those above them combine edges to corners and textures, then to wheels, ears and wings.
#
# ## 4 Four helpers
#
# Convolutions alone don't make a good network. Four small things help them.
#
# ### ReLU: why stacking needs a bend
#
# Take two convolutions, one on top of the other. Each only multiplies and adds. **Before you run
# the cell:** can the two together do anything that a single larger kernel can't?

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(SEED)
first, second = rng.normal(size=(2, 3, 3))
twice = convolve(convolve(grey, first), second)
padded = np.pad(first, 2)
merged = convolve(padded, second[::-1, ::-1])  # one kernel of 5 x 5
print("one kernel does the same:", np.allclose(twice, convolve(grey, merged)))

# %% [markdown]
# They can't. A hundred linear layers are still one linear layer. So between two convolutions we
# put a bend: **ReLU** replaces every negative number by zero. Positive answers pass, and the rest is nothing. (An edge from bright to dark is nothing, too; it needs a
# kernel of its own.)
#
# ### Pooling: keep the strongest answer
#
# Do you need to know that an edge is at column 17 and not at 18? Hardly. **Max pooling** cuts the map
# into squares of 2 × 2 and keeps the largest number of each.

# %%
relu = np.maximum(response, 0)
pooled = relu[:30, :30].reshape(15, 2, 15, 2).max(axis=(1, 3))
show({"answers": response, "after ReLU": relu, "after max pooling": pooled})

# %% [markdown]
# The truck is still there, in a quarter of the numbers. The next layer has less to do, and its
# windows now cover twice as much of the original picture. And a little shift of the truck often
# changes nothing at all, because the largest number stays in its square.
#
# ### Batch normalisation: keep the numbers in range
#
# Networks learn in small groups of images, called **batches**. **Batch normalisation** [2] looks at
# each channel over the whole batch, subtracts the mean and divides by the standard deviation; then
# it lets the network choose a scale and an offset of its own. So a layer isn't thrown off when the one before it changes.

# %% tags=["diagram"]
normalise = layers.BatchNormalization()
large = 40 * rng.normal(size=(128, 4)).astype("float32") + [90, 0, -60, 300]
small = np.asarray(normalise(large, training=True))
fig, axes = plt.subplots(1, 2, figsize=(8.5, 2.6), layout="constrained")
for ax, values, when in zip(axes, (large, small), ("before", "after"), strict=True):
    for channel in range(4):
        ax.hist(values[:, channel], bins=20, alpha=0.6)
    ax.set(title=f"four channels, {when}", xlabel="value", ylabel="values")

# %% [markdown]
# Four channels that lived far apart now lie on top of each other. When the network is used, there
# may be no batch, only one image. So the layer also keeps running averages of mean and deviation, and
# takes those. How fast they forget is set by `momentum`, and section 7 shows why that matters.
#
# ### Dropout: don't rely on one answer
#
# **Dropout** sets a random part of the numbers to zero, a different part at every step. The
# network can't rely on any single feature, so it learns several signs of the same thing.
# When the network is used, nothing is dropped.

# %%
drop = layers.Dropout(DROPOUT, seed=SEED)
tries = [np.asarray(drop(pooled.astype("float32"), training=True)) for _ in range(2)]
show({"the map": pooled, "one training step": tries[0], "the next": tries[1]})

# %% [markdown]
# ## 5 Build the network
#
# We rebuild the network of a public tutorial [1]. Its pattern comes again and again: convolution,
# ReLU, batch normalisation. Written as a function, you can read it at a glance.


# %%
def conv_block(x, channels):
    """A convolution that looks for `channels` things, ReLU, and normalisation."""
    x = layers.Conv2D(channels, 3, activation="relu")(x)
    return layers.BatchNormalization(momentum=BN_MOMENTUM)(x)


# %% [markdown]
# Three stages, of one block, two and two. From stage to stage, pooling makes the maps smaller, and the number of channels
# grows: *where* loses detail, *what* gains it. What is left at the
# end are 128 numbers that describe the image. Two ordinary dense layers turn them into ten **logits**, one
# for each class. A logit is any number, and the largest one is the network's answer.


# %%
def build_network():
    inputs = keras.Input((32, 32, 3), name="pixels")
    x = layers.Rescaling(1 / 255)(inputs)
    x = conv_block(x, 32)
    x = layers.Dropout(DROPOUT)(layers.MaxPooling2D()(x))
    x = conv_block(conv_block(x, 64), 64)
    x = layers.Dropout(DROPOUT)(layers.MaxPooling2D(padding="same")(x))
    x = conv_block(conv_block(x, 128), 128)
    x = layers.Dropout(DROPOUT)(layers.MaxPooling2D()(x))
    x = layers.Flatten()(x)
    x = layers.Dropout(DROPOUT)(layers.Dense(128, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(10, name="logits")(x))


model = build_network()

# %% [markdown]
# The first layer scales the raw pixels to the range from 0 to 1. It is a part of the network, so nobody
# who uses it can forget it, or do it twice. Here is what we have built. Each block is as high as its maps; the wider it is, the more of them there are.

# %% jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
fig, ax = plt.subplots(figsize=(9, 3), layout="constrained")
kinds = {"Conv2D": "tab:blue", "MaxPooling2D": "0.7", "Dense": "tab:orange"}
left = 0
for layer in [a for a in model.layers if type(a).__name__ in ("InputLayer", *kinds)]:
    *side, channels = layer.output.shape[1:]
    height, width = side[0] if side else 1.5, np.sqrt(channels) * 0.9
    color = kinds.get(type(layer).__name__, "tab:green")
    ax.add_patch(Rectangle((left, -height / 2), width, height, color=color, alpha=0.8))
    label = f"{side[0]} × {side[1]}\n× {channels}" if side else str(channels)
    ax.text(left + width / 2, -18, label, ha="center", va="top", fontsize=7)
    left += width + 4
names = {"tab:green": "the image", "tab:blue": "convolution with ReLU"}
names |= {"0.7": "max pooling", "tab:orange": "dense"}
for place, (color, name) in zip((0.3, 0.45, 0.71, 0.9), names.items(), strict=True):
    ax.text(left * place, 15, name, color=color if color != "0.7" else "0.5")
ax.set(xlim=(-1, left), ylim=(-23, 18), aspect="equal")
ax.set_axis_off()

# %% [markdown]
# How many numbers does it have to learn? The table counts them. **Before you look:** which holds
# more, the convolutions or the dense layers?

# %% tags=["nbval-check-output"]
for layer in model.layers:
    if layer.count_params():
        print(f"{layer.name:22}{layer.count_params():8,}  {layer.output.shape[1:]}")
print(f"{'all':22}{model.count_params():8,}")

# %% [markdown]
# Check one row by hand. The second convolution has 64 kernels over 32 channels. Each kernel is 3 × 3
# numbers for each channel, and a bias. So it holds 64 · (9 · 32 + 1) numbers. Three quarters of all numbers sit in the convolutions of the last stage, where the channels are many. The sum is
# the count that the tutorial states [1].
#
# ## 6 What is a good answer? The loss
#
# Training needs one number that says how wrong the network is. First we turn the ten logits into
# ten probabilities. **Softmax** makes them positive with the exponential function, and divides by
# their sum. Then we look only at the probability $p$ of the *right* class. The **cross-entropy** is
#
# $$ L = -\log p_{\text{right}}, \qquad p_c = \frac{e^{z_c}}{\sum_k e^{z_k}} $$
#
# Sure and right costs nothing. Sure and wrong costs a lot.


# %% tags=["diagram"]
def cross_entropy(logits, label):
    """How surprised the network is by the right answer."""
    exponentials = np.exp(logits)
    return -np.log(exponentials[label] / exponentials.sum())


p = np.linspace(0.005, 1, 200)
fig, ax = plt.subplots(figsize=(5, 2.8), layout="constrained")
ax.plot(p, -np.log(p))
ax.plot(0.1, np.log(10), "o", color="tab:orange")
ax.annotate("a guess among ten", (0.1, np.log(10)), (0.16, 2.6))
ax.set(xlabel="probability given to the right class", ylabel="loss")
ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))

# %% [markdown]
# Keras has this loss, too. We tell it that it gets logits (`from_logits=True`). Without that option, it would take them for probabilities, and the network would train badly without any complaint.
# **Before you run the cell:** our network knows nothing yet. What will its loss be? (The orange dot
# is a hint.)

# %%
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
logits = model.predict(data.x_val[:500], verbose=0)
labels = data.y_val[:500]
ours = np.mean([cross_entropy(z, y) for z, y in zip(logits, labels, strict=True)])
print(f"ours {ours:.3f}, Keras' {float(loss(labels, logits)):.3f}, ", end="")
print(f"a guess among ten {np.log(10):.3f}")

# %% [markdown]
# About the loss of a guess. That makes a good first test of any new network: if the loss starts
# far above this, something is wrong before training has begun.
#
# ## 7 Train it
#
# Training repeats one step. Take a batch of images. Compute the loss, and its gradient with respect
# to every weight. Move each weight a little against its gradient. The **learning rate** sets how far.
# When all images have had their turn, in random order, an **epoch** is over.
#
# We let the learning rate fall along a cosine: large steps while there is far to go, small ones to
# settle. The step itself is taken by *Adam* [3], which adapts the size of the step to each weight.


# %% tags=["setup"]
def in_batches(images, labels):
    """Batches in a new random order each epoch."""
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.shuffle(len(images), seed=SEED)
    return untuned(dataset.batch(BATCH_SIZE, drop_remainder=True))


def compile_with_cosine(network, images, epochs):
    """Adam, with a rate that falls from its peak to 0 over all steps."""
    steps = epochs * (images // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(PEAK_RATE, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])


# %% [markdown]
# (`untuned` switches off a helper of TensorFlow's that would make us wait between epochs. Notebook
# 06 tells that story.) One line trains. The validation images are only looked at: they tell after
# each epoch how the network does on images that it has not learned from.

# %%
compile_with_cosine(model, len(data.x_train), EPOCHS)
history = model.fit(
    in_batches(data.x_train, data.y_train),
    epochs=EPOCHS,
    validation_data=(data.x_val, data.y_val),
    validation_batch_size=500,
    shuffle=False,  # the dataset does it
    verbose=2,
).history

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, metric in zip(axes, ("loss", "accuracy"), strict=True):
    plotting.plot_learning_curves(history, metric, data_name=data.name, ax=ax)

# %% [markdown]
# These are **learning curves**, and you will read many of them. At first the two lie close together, although
# training accuracy has two handicaps: it is an average over an epoch in which the network was still
# learning, and dropout was in its way. Then the training curve pulls ahead and keeps rising. The gap
# between the two is what the network knows about *these* images and not about images in general. At the
# end the validation curve lies flat. The learning rate has come down to nearly nothing, and the weights settle.
#
# How large is the gap, if we measure both in the same way, without dropout?

# %%
gap = {}
for name in ("train", "val"):
    images, labels = getattr(data, f"x_{name}"), getattr(data, f"y_{name}")
    gap[name] = model.evaluate(images, labels, batch_size=500, verbose=0)[1]
    print(f"{name:6} {gap[name]:.1%}")

# %% [markdown]
# The network knows its own training images clearly better than others. It has begun to learn them
# by heart. Notebook 03 is about that.
#
# ### Why do other people's curves jump?
#
# The author of this network trained it with Keras' defaults: a learning rate that stays as it is, and
# batch normalisation with a long memory (`momentum` 0.99). We ran that recipe, too, and then a
# recipe with a falling rate and a short memory. Each line below is one training.

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
recipes = {"constant rate, long memory": "valid_cnn"}
recipes["falling rate, short memory"] = "valid_cnn_tuned"
for ax, (title, recipe) in zip(axes, recipes.items(), strict=True):
    for run in load_histories(recipe):
        curve = run["val_accuracy"]
        ax.plot(range(1, len(curve) + 1), curve, alpha=0.8)
    ax.set(title=title, xlabel="epoch", ylim=(0.2, 0.9))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[0].set_ylabel("validation accuracy")
plotting.label_source(axes[1], f"{data.name}, our ledger")

# %% [markdown]
# On the left, a curve can lose some points from one epoch to the next and win them back. Which accuracy would you
# publish? On the right, it climbs and settles. Two things help with that. Small steps at the end let the weights come to
# rest. And a short memory keeps the averages of normalisation close to the weights that they belong to; with a long one, they
# describe weights of a hundred steps ago, which no longer exist. (The recipe on the right has more improvements. Notebook
# 05 takes it apart.)
#
# ## 8 Look inside
#
# Nobody told the first layer what to look for. Training has chosen its 32 kernels. Each is a tiny picture of 3 × 3 pixels:
# what it would like to see. Below them, the ten templates of the linear model, in the order of the classes.


# %%
def as_pictures(weights):
    """Grey is zero; each picture is stretched to its own largest weight."""
    return 0.5 + 0.5 * weights / np.abs(weights).max(axis=(1, 2, 3), keepdims=True)


convolutions = [a for a in model.layers if isinstance(a, layers.Conv2D)]
kernels = np.moveaxis(convolutions[0].get_weights()[0], -1, 0)
templates = as_pictures(linear.coef_.reshape(10, 32, 32, 3))
fig, axes = plt.subplots(2, 1, figsize=(8, 3.8), layout="constrained")
sheet = as_pictures(kernels).reshape(2, 16, 3, 3, 3)
sheet = np.pad(sheet, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)], constant_values=1)
axes[0].imshow(sheet.transpose(0, 2, 1, 3, 4).reshape(8, 64, 3))
axes[1].imshow(np.concatenate(templates, axis=1))
names = "what the 32 kernels look for", f"the linear model's templates ({data.name})"
for ax, name in zip(axes, names, strict=True):
    ax.set_title(name, fontsize=9)
    ax.set_axis_off()

# %% [markdown]
# At this size they are hard to read, but try. A kernel that is dark on one side and bright on the other is an
# edge detector, like ours. One that goes from a colour to its opposite finds edges between colours. Edges and
# colours: this alphabet shows up in the first layer of nearly every network that learns from photographs,
# and in the visual cortex of cats [4]. The templates below are another idea of seeing: each tries to be a whole
# truck or a whole frog at once.
#
# What do the kernels answer to? We cut the network open and show it our truck. On top, the eight
# first-layer kernels that answer most strongly; under each, its feature map. Then the strongest maps of the later stages.

# %%
stages = [convolutions[0].output, convolutions[2].output, convolutions[4].output]
inside = keras.Model(model.input, stages)
maps = [np.asarray(stage)[0] for stage in inside(truck[None])]

fig, axes = plt.subplots(4, 9, figsize=(9, 4.2), layout="constrained")
for row, stage in enumerate(maps, start=1):
    strongest = np.argsort(-stage.max(axis=(0, 1)))[:8]
    side = stage.shape[0]
    axes[row, 0].set_ylabel(f"stage {row}\n{side} × {side}", fontsize=8)
    for ax, channel in zip(axes[row, 1:], strongest, strict=True):
        ax.imshow(stage[:, :, channel], cmap="gray")
        if row == 1:
            column = list(strongest).index(channel) + 1
            axes[0, column].imshow(as_pictures(kernels)[channel])
axes[1, 0].imshow(truck)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
axes[0, 0].set_ylabel("kernels", fontsize=8)
plotting.label_source(axes[-1, -1], data.name)

# %% [markdown]
# In the first stage you recognise the truck: here its edges, there its bright areas or the sky. In the second, the maps are
# coarser, and each lights up at certain parts only. In the third there is no picture left. A map of
# 2 × 2 places says whether its thing is there, and roughly where. From row to row the network trades
# *where* for *what*, until 128 numbers are enough to tell a truck from a ship.
#
# ## 9 How good is it?
#
# Until now we judged by the validation images. We looked at them while we decided things, so they are no
# longer quite fair. The test images have decided nothing. We open them now, when everything is
# decided, and take the network after its last epoch, whatever it is.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
probabilities = evaluation.predict_probabilities(model, x_test)
y_pred = probabilities.argmax(axis=1)
print("test accuracy:", evaluation.accuracy_interval(y_test, y_pred))
print(
    "linear model: ",
    evaluation.accuracy_interval(y_test, linear.predict(as_rows(x_test))),
)

# %% [markdown]
# Twice what the linear model gets right, though that one had fewer images to learn from. The interval tells how far the figure could be off because these
# 10,000 images are a sample.
#
# One number hides a lot. The **confusion matrix** shows which class is taken for which. A row is a
# true class, a column is what the network said. We hide the diagonal, the right answers, because the
# mistakes are what we want to see. **Before you run the cell:** which pair will stand out?

# %%
display = plotting.plot_confusion_matrix(
    y_test,
    y_pred,
    class_names=CLASS_NAMES,
    hide_diagonal=True,
    data_name=data.name,
)

# %% [markdown]
# Cats and dogs, in both directions. Look at the two blocks. Animals are taken for animals, and vehicles
# for vehicles: an automobile for a truck, an airplane for a ship. The exception that remains is the
# sky, where birds and airplanes meet. And birds are taken for deer, when they stand before the same grass.
#
# Now the mistakes that it was most sure of.

# %%
ax = plotting.plot_mistakes(
    x_test,
    y_test,
    probabilities,
    class_names=CLASS_NAMES,
    count=MISTAKES,
    columns=7,
    data_name=data.name,
)

# %% [markdown]
# Go through them one by one. In some you will side with the network: notebook 01 warned you about
# labels. Some are hard for anyone at this size. And some are plainly silly.
#
# To be wrong is fine if it happens as often as announced. Of all answers given with 90 % confidence, one in ten *should* be
# wrong. Is the network as good as its word?

# %%
confidence = probabilities.max(axis=1)
edges = np.array([0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
bins = np.digitize(confidence, edges[1:-1])
said = np.array([confidence[bins == b].mean() for b in range(5) if (bins == b).any()])
was = np.array(
    [(y_pred == y_test)[bins == b].mean() for b in range(5) if (bins == b).any()]
)

fig, ax = plt.subplots(figsize=(4, 3.6), layout="constrained")
ax.plot([0, 1], [0, 1], "--", color="0.6")
ax.plot(said, was, "o-")
ax.annotate("as good as its word", (0.52, 0.55), color="0.4", rotation=42)
ax.set(xlabel="how sure it said it was", ylabel="how often it was right")
for axis in (ax.xaxis, ax.yaxis):
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
plotting.label_source(ax, data.name)

# %% [markdown]
# The curve runs below the line: the network promises too much. Its confidence still tells which
# answers to trust more, but not how much. Notebook 07 shows how to mend that with a single number.
#
# ## 10 Slide the truck again
#
# We began with a truck that moved. Now we have a network whose every kernel works the same in all places.
# **Before you run the cell:** draw its curve with your finger. How much will it lose?
#
# A third line is in the picture, too. It is the same network, trained by a better recipe, which among other things shifts
# each picture at random by a pixel or two.


# %%
def slid_network(network):
    """The accuracies of a network for all shifts."""
    return accuracy_when_slid(
        lambda images: evaluation.predict_probabilities(network, images).argmax(axis=1)
    )


curves = {"linear model": linear_slid, "our network": slid_network(model)}
curves["trained with shifts"] = slid_network(load_trained("valid_cnn"))
fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for name, curve in curves.items():
    (line,) = ax.plot(SHIFTS, curve, "o-")
    end = (SHIFTS[-1], curve[-1])
    ax.annotate(f"  {name}", end, va="center", color=line.get_color())
ax.set(xlabel="pixels to the right", ylabel="validation accuracy", ylim=(0, 1))
ax.set_xlim(-0.5, 1.5 * SHIFTS[-1])
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
plotting.label_source(ax, data.name)

# %% [markdown]
# Did you draw a flat line? The network is twice as good as the linear model at every shift. But when things move far, it
# keeps no larger a share of what it knew.
#
# How can that be, when every kernel is the same everywhere? The *parts* move along with the picture. The *whole* does not.
# The squares of pooling lie at fixed places. The last convolutions work on maps that are hardly larger than their
# windows, so the left of such a kernel always looks at the left of the picture. And photographers put trucks in the middle, so that is where the network has learned to look for them.
#
# The third line keeps more. What the architecture does not give, the data can teach: that is the subject of notebook 03.
#
# ## Check your understanding
#
# **1.** Two networks have the same number of parameters. Do they take equally long to train?
#
# <details><summary>Answer</summary>No. A convolution uses its kernel once for every place of
# the map. A few weights on a large map mean a lot of multiplications.</details>
#
# **2.** You add a softmax layer at the end and leave `from_logits=True`. What happens?
#
# <details><summary>Answer</summary>Softmax is applied twice. Its outputs lie between 0 and 1, so the
# second one makes them nearly equal: the loss can't get small, and training is slow. Keras warns of
# the layer that ends in softmax, but not of one that you wrote yourself.</details>
#
# **3.** Somebody trains 50 epochs, takes the best *test* accuracy of them all and reports it. What is
# wrong?
#
# <details><summary>Answer</summary>The test images have chosen the epoch. The largest of fifty noisy
# figures is too high. Choose by the validation images, or take the last epoch.</details>
#
# ## How far to trust this
#
# > This was one training. Another seed moves its accuracy by some tenths of a point, and on a GPU or
# > another processor you will see other digits than we did. The validation images have taken part in the choice
# > of learning rate and momentum, so trust the test accuracy. The two recipes in section 7 differ in
# > more than rate and memory. Dropout rates are ours, since the tutorial does not state its own. And
# > test images that resemble training images flatter every figure a little, as notebook 01 showed.
#
# ## Three takeaways
#
# * A convolution asks one small question everywhere. What it learns in one place, it knows in all places. A whole
#   network needs more than that to ignore where things are.
# * Nobody designs the kernels. Training finds edges and colours first, and builds everything else on
#   them.
# * Judge a network by images that decided nothing, look at its mistakes one by one, and don't take its
#   confidence at its word.

# %%
print(f"{'network':14}{'parameters':>12}{'validation':>12}{'test':>8}")
for name, count, kept, predicted in (
    ("linear", linear.coef_.size + 10, linear_slid[0], linear.predict(as_rows(x_test))),
    ("convolutional", model.count_params(), gap["val"], y_pred),
):
    print(f"{name:14}{count:12,}{kept:12.1%}{np.mean(predicted == y_test):8.1%}")

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 02](solutions/02_baseline_cnn.ipynb).
#
# **Exercise 1 ★** Write `map_side(side, kernel, stride)`: how many places a window of `kernel` pixels has along
# a picture of `side` pixels, if it slides by `stride` and has to stay inside.


# %% tags=["answer-1"]
def map_side(side, kernel, stride):
    return None  # your answer: a whole number


# %% tags=["check-1"]
cases = [((32, 3, 1), 30), ((32, 2, 2), 16), ((32, 3, 2), 15), ((7, 7, 3), 1)]
check_answer(1, map_side, cases, "How far can the window's first pixel go?")

# %% [markdown]
# **Why?** The network ends with dense layers on a map of 1 × 1. Feed it an image of 64 × 64 pixels, and
# it refuses. Yet a convolution doesn't care how large its picture is. What refuses, and how would you
# change the network so that it takes both?
#
# <details><summary>Answer</summary>The dense layer refuses: it has one weight for each number that comes out of
# <code>Flatten</code>, and a larger image gives more of them. Put a pooling over the whole map in place of
# <code>Flatten</code>, such as <code>GlobalAveragePooling2D</code>: it gives one number for each channel, for maps of any size.
# The networks of notebooks 04 and 05 do that.</details>
#
# **Exercise 2 ★★** Write `level_edges()`: a kernel of 3 × 3 numbers that answers to *level* edges, bright above dark,
# and is silent on even areas and on upright edges. Then look at the truck with it:
# `show({"level edges": convolve(grey, level_edges())})`.


# %% tags=["answer-2"]
def level_edges():
    return None  # your answer: an array of 3 x 3 numbers


# %% tags=["check-2"]
def judge_kernel(kernel):
    picture = np.zeros((7, 7))
    if np.shape(kernel) != (3, 3):
        return f"it should have the shape (3, 3), not {np.shape(kernel)}"
    kernel = np.asarray(kernel)
    if abs(np.sum(kernel)) > 1e-6:
        return "it answers to an even area"
    picture[:, :3] = 1  # bright on the left
    if not np.allclose([np.sum(kernel * picture[:3, j : j + 3]) for j in range(5)], 0):
        return "it answers to an upright edge"
    picture = picture.T  # bright above
    if np.sum(kernel * picture[1:4, :3]) <= 0:
        return "its answer to bright above dark is not positive"
    return None


check_answer(2, level_edges, [((), judge_kernel)], "Turn the upright kernel.")

# %% [markdown]
# **Exercise 3 ★★★ An open challenge.** Build a network with at most 100,000 parameters, a third of ours, and train it for
# three epochs with `in_batches` and `compile_with_cosine`. Can you get 70 % of the validation images right? The check only
# looks at the form of the network; the accuracy is yours to measure. Our best is in the solutions.


# %% tags=["answer-3"]
def build_small_network():
    return None  # your answer: a keras.Model, not compiled


# %% tags=["check-3"]
def judge_network(network):
    if not isinstance(network, keras.Model):
        return f"it should be a keras.Model, not {network!r}"
    if network.count_params() > 100_000:
        return f"it has {network.count_params():,} parameters"
    outputs = network.predict(np.zeros((2, 32, 32, 3), "uint8"), verbose=0)
    if outputs.shape != (2, 10):
        return f"it gives {outputs.shape} for two images, not (2, 10)"
    return "softmax is in it" if np.allclose(outputs.sum(axis=1), 1) else None


check_answer(3, build_small_network, [((), judge_network)], "End in Dense(10).")

# %% [markdown]
# ## References
#
# 1. s3 in [the ledger](../results/README.md), which quotes the table of layers of this public tutorial, its claim, and what its
#    own recipe reaches in our hands.
# 2. S. Ioffe and C. Szegedy, [Batch Normalization](https://arxiv.org/abs/1502.03167), 2015.
# 3. D. Kingma and J. Ba, [Adam: A Method for Stochastic Optimization](https://arxiv.org/abs/1412.6980), 2014.
# 4. D. Hubel and T. Wiesel, [Receptive Fields of Single Neurones in the Cat's Striate Cortex](https://doi.org/10.1113/jphysiol.1959.sp006308), 1959.
#
# **Previous:** [01 · Explore the dataset](01_explore_the_dataset.ipynb) ·
# **Next:** [03 · Data augmentation](03_data_augmentation.ipynb)
