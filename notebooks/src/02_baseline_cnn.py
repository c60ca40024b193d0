# %% [markdown]
# # 02 · A baseline CNN
#
# **Slide a photograph of a truck a few pixels to the side. To you it is the same truck. The linear model of notebook 01
# suddenly calls it an airplane. In this notebook you build a network that looks for the same things everywhere, you train
# it, and you open it up to see what it has found. Then you slide the truck again, and there is a surprise.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/02_baseline_cnn.ipynb)
#
# **You will learn** what a convolution is and why pictures need it, how to build and train a
# network of them, how to look inside it, and how to judge it fairly.
#
# **Before you start** you should know Python, NumPy and what a gradient is.
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
    package = f"git+{repository}@v0.2.0"
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
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from cifar_utils import evaluation, plotting
from cifar_utils.data import CLASS_NAMES, load_cifar10, load_cifar10_test
from cifar_utils.fast.pipeline import untuned
from cifar_utils.pretrained import load_histories, load_trained

# %% [markdown]
# ## Settings
#
# This cell holds everything that you may want to change. `SEED` fixes what is random, and the limits make quick trials
# smaller. The other names are explained where they are used.

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
TRUCK = 8  # which of the trucks we look at
MISTAKES = 14

# %% [markdown]
# ## 1 What happens when things move?
#
# Notebook 01 ended with a linear model. For each class it has one weight for each pixel and colour: a *template*, to be laid
# over the image. Here it is again, trained on fewer images to save time. The *validation images* are those that no model
# is trained on; we compare models by them.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
print(f"{data.name}: {len(data.x_train):,} training images", end=", ")
print(f"{len(data.x_val):,} validation images")

# %%
truck = data.x_train[data.y_train == CLASS_NAMES.index("truck")][TRUCK]


def as_rows(images):
    """One row of numbers from -1 to 1 for each image."""
    return images.reshape(len(images), -1) / np.float32(127.5) - 1


linear = LogisticRegression(C=4e-4, max_iter=200, tol=1e-2)
few = slice(LINEAR_IMAGES)
_ = linear.fit(as_rows(data.x_train[few]), data.y_train[few])

# %% [markdown]
# Now we slide a truck to the right. It is one of the training images. What comes in at the left is the mirror image of its rim, so that there is no
# seam. Above each picture stands what the linear model says. **Before you run the next two cells:** how many pixels
# does it take until the model is wrong about it?


# %% alt="A truck, moved further to the right from picture to picture; above each what the linear model says, soon no longer truck."
def slide(images, pixels):
    """Images, or one image, moved to the right by so many pixels."""
    border = [(0, 0)] * images.ndim
    border[-2] = (pixels, 0)  # columns come before colours, the last
    return np.pad(images, border, mode="reflect")[..., :32, :]


def ask_linear(images):
    return linear.predict(as_rows(images))


def slide_truck(ask):
    """The truck, further and further to the right, under what a model says of it."""
    slid = np.stack([slide(truck, pixels) for pixels in SHIFTS])
    said = [CLASS_NAMES[answer] for answer in ask(slid)]
    titles = [f"{s}\n{p} pixels" for s, p in zip(said, SHIFTS, strict=True)]
    columns = len(SHIFTS)
    return plotting.plot_images(slid, titles, columns=columns, data_name=data.name)


ax = slide_truck(ask_linear)

# %% [markdown]
# One truck proves nothing. So we slide all validation images, and count.


# %% alt="A falling curve: the linear model's accuracy, the further images are moved."
def accuracy_when_slid(ask):
    """Share of the validation images that are classified correctly, for each shift."""
    return [np.mean(ask(slide(data.x_val, p)) == data.y_val) for p in SHIFTS]


linear_slid = accuracy_when_slid(ask_linear)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(SHIFTS, linear_slid, "o-")
ax.set(xlabel="pixels to the right", ylabel="validation accuracy", ylim=(0, 0.5))
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
plotting.label_source(ax, data.name)

# %% [markdown]
# It goes downhill from the first pixels on, and at eight pixels a good part is gone. To you, it is still the same truck. To the model, the truck has driven out of its template. All templates are nailed to their place. A
# wheel that was learned at the lower left tells the model nothing about a wheel at the lower right.
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
# $$ y_{i,j} = \sum_{u=0}^{2} \sum_{v=0}^{2} k_{u,v} \; x_{i+u,\,j+v} $$
#
# Here $x$ is the picture, $k$ the kernel, and $y_{i,j}$ the answer for the window whose corner is in row $i$ and column $j$.
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
# positive ones on its right. On a uniform patch they cancel out. **Before you run the cell:** which
# lines of the truck will light up, and which will stay dark?

# %% alt="The grey truck, a kernel dark on the left and bright on the right, and the answers: upright edges glow."
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


show(
    {
        "the truck": grey,
        "the kernel": upright,
        "how strong its answers are": abs(response),
    }
)

# %% [markdown]
# Upright edges glow: left and right of them, the picture differs. Level edges stay dark, because
# along a level line both sides look alike. Nine numbers have become a detector of upright edges.
# Its answers, put side by side, make a new picture, which is called a **feature map**.
#
# Is this detector nailed to its place, too? We slide the truck by five pixels and ask again. If
# the place doesn't matter, the feature map should slide by five pixels, and change in no other
# way. (We compare only the part that comes from the old picture, without the new rim.)

# %% tags=["nbval-check-output"]
moved = slide(truck, 5).mean(axis=-1)
difference = convolve(moved, upright)[:, 5:] - response[:, :-5]
print("largest difference, after sliding back:", np.abs(difference).max())

# %% [markdown]
# Not the slightest difference. This property is called **translation equivariance**: move the
# picture, and the answers move along. Whatever a kernel detects in one place, it detects everywhere. And it is cheap. The
# linear model has 3,072 weights for each class; a kernel like this one has nine.
#
# ## 3 From one kernel to a layer
#
# Real images have colours. The three numbers of a pixel, red, green and blue, are its **channels**,
# and a kernel simply gets a grid for each. Real layers have many kernels. Each makes a
# feature map of its own, and these maps are the channels of what comes out:
#
# $$ y_{i,j,d} = b_d + \sum_{u,\,v,\,c} k_{u,v,c,d} \; x_{i+u,\,j+v,\,c} $$
#
# Each new channel *d* sums over all channels *c* of the patch, and gets one number added, its *bias* $b_d$. Keras calls this layer `Conv2D`. Does it do the same as
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
# the map half as wide and half as high; the step is called the **stride**.
#
# Why put a convolution on top of a convolution? A window of three pixels sees very little. But the
# second layer looks at a window of *answers*, and each of them has seen a window of its own. The
# picture shows one row of pixels, from the side.

# %% alt="Four rows of boxes: one box of the third layer rests on three of the second, five of the first and seven pixels." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
for level, reach in enumerate((3, 2, 1, 0)):
    for place in range(-5, 6):
        seen = abs(place) <= reach
        if seen and level:
            for under in (-1, 0, 1):
                ends = [place, place + under], [level, level - 1]
                ax.plot(*ends, color="tab:orange", lw=1, zorder=0)
        color = "tab:orange" if seen else "0.85"
        if abs(place) <= 5 - level:
            corner = (place - 0.4, level - 0.13)
            ax.add_patch(Rectangle(corner, 0.8, 0.26, color=color))
    text = f"layer {level}: sees {2 * level + 1} pixels" if level else "the pixels"
    ax.text(6, level, text, va="center")
ax.set(xlim=(-5.6, 10.5), ylim=(-0.4, 3.4))
ax.set_axis_off()

# %% [markdown]
# Follow the lines down. One answer of the third layer rests on seven pixels, though no window is
# wider than three. This is its **receptive field**. Layers near the input can only see edges and
# colours. Those above them combine edges into corners and textures, then into wheels, ears and wings.
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
# They can't. (For the larger kernel, we pad the first one and slide the second, flipped, over it.) A
# hundred layers that only multiply and add are still one such layer. So between two convolutions we put a bend: **ReLU**
# computes $\max(0, y)$. Positive answers pass; the rest becomes zero. So our kernel no longer reports edges from bright to
# dark. Another kernel must.
#
# ### Pooling: keep the strongest answer
#
# Do you need to know that an edge is at column 17 and not at 18? Hardly. **Max pooling** cuts the map
# into squares of 2 × 2 and keeps the largest number of each.

# %% alt="The answers of the kernel, the same with everything negative black, and a coarser version of that."
relu = np.maximum(response, 0)
pooled = relu[:30, :30].reshape(15, 2, 15, 2).max(axis=(1, 3))
show({"answers": response, "after ReLU": relu, "after max pooling": pooled})

# %% [markdown]
# The strongest edges are still there, in a quarter of the numbers. The next layer has less to do, and its
# windows now cover twice as wide a piece of the original picture. And after a shift by one pixel, many of these numbers
# stay the same, because the largest one often stays in its square.
#
# ### Batch normalisation: keep the numbers in range
#
# Networks learn in small groups of images, called **batches**. **Batch normalisation** [2] looks at
# each channel over the whole batch, subtracts the mean and divides by the standard deviation; then
# it lets the network choose a scale and an offset of its own. So a layer isn't thrown off when the one before it changes.
# Here are four made-up channels, before and after.

# %% alt="Histograms of four channels: far apart before normalisation, on top of each other after it." tags=["diagram"]
normalise = layers.BatchNormalization()
large = 40 * rng.normal(size=(128, 4)).astype("float32") + [90, 0, -60, 300]
small = np.asarray(normalise(large, training=True))
fig, axes = plt.subplots(1, 2, figsize=(8.5, 2.6), layout="constrained")
for ax, values, when in zip(axes, (large, small), ("before", "after"), strict=True):
    for channel in range(4):
        ax.hist(values[:, channel], bins=20, alpha=0.6)
    ax.set(title=f"four channels, {when}", xlabel="value", ylabel="count")

# %% [markdown]
# Four channels that lived far apart now lie on top of each other. When the network is used, there
# may be no batch, only one image. So the layer also keeps running averages of mean and deviation, and
# takes those. How fast they forget is set by `momentum`, and section 7 shows why that matters.
#
# ### Dropout: don't rely on one answer
#
# **Dropout** sets a random part of the numbers to zero, a different part at every step. The
# network can't rely on any single feature, so it learns several signs of the same thing.
# What is left is made a little larger, so that the sum stays about the same. When the network is used, nothing is dropped.
# Orange marks what a step drops:

# %% alt="The pooled map of the truck, and twice the same with other squares dropped, in orange."
drop = layers.Dropout(DROPOUT, seed=SEED)


def one_step():
    """The map as a training step sees it."""
    kept = np.asarray(drop(np.ones_like(pooled, "float32"), training=True))
    picture = np.dstack(3 * [pooled / pooled.max()])
    picture[kept == 0] = (0.84, 0.37, 0)
    return picture


show({"the map": pooled, "one training step": one_step(), "the next": one_step()})

# %% [markdown]
# ## 5 Build the network
#
# We rebuild the network of a public tutorial [1]. Its pattern comes again and again: convolution,
# ReLU, batch normalisation. As a function it is short. (`layers.Conv2D(…)` makes a layer, and `(x)` applies it.)


# %%
def conv_block(x, channels):
    """A convolution that looks for `channels` things, ReLU, and normalisation."""
    x = layers.Conv2D(channels, 3, activation="relu")(x)
    return layers.BatchNormalization(momentum=BN_MOMENTUM)(x)


# %% [markdown]
# The network has three stages. The first has one block, the others have two each. From stage to stage, pooling makes the maps
# smaller, and the number of channels grows: the maps say less precisely *where*, and more about *what*. (The second
# pooling pads, so that a map with an odd side loses no column.) What is left at the end are 128 numbers that describe the
# image, which `Flatten` puts in a row. A **dense layer** has a weight for each of its inputs and outputs: it is the linear
# model again. Two of them turn the row into ten **logits**, one for each class. A logit can be any number, and the
# largest one is the network's answer.


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
# who uses it can forget it, or do it twice. Here is what we have built. Each bar is as high as its maps; the wider it is, the more of
# them there are. (Normalisation and dropout change no shape, so they are not drawn.)

# %% alt="The network as a row of bars: from stage to stage lower, as maps get smaller, and wider, as channels get more." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
fig, ax = plt.subplots(figsize=(9, 3), layout="constrained")
kinds = {"Conv2D": "tab:blue", "MaxPooling2D": "0.7", "Dense": "tab:orange"}
left = 0
for layer in [a for a in model.layers if type(a).__name__ in ("InputLayer", *kinds)]:
    *side, channels = layer.output.shape[1:]
    height, width = side[0] if side else 1.5, np.sqrt(channels) * 0.9
    color = kinds.get(type(layer).__name__, "tab:green")
    ax.add_patch(Rectangle((left, -height / 2), width, height, color=color, alpha=0.8))
    label = f"{side[0]} × {side[1]}\n× {channels}" if side else str(channels)
    ax.text(left + width / 2, -18, label, ha="center", va="top", fontsize=8)
    left += width + 4
names = {"tab:green": "the image", "tab:blue": "convolution with ReLU"}
names |= {"0.7": "max pooling", "tab:orange": "dense"}
for place, (color, name) in zip((0.3, 0.45, 0.71, 0.9), names.items(), strict=True):
    ax.text(left * place, 15, name, color=color if color != "0.7" else "0.5")
ax.set(xlim=(-1, left), ylim=(-23, 18), aspect="equal")
ax.set_axis_off()

# %% [markdown]
# How many numbers does it hold? These are its **parameters**. The table counts them, the running averages of normalisation
# included. **Before you
# look:** which holds more, the convolutions or the dense layers?

# %% tags=["nbval-check-output"]
for layer in model.layers:
    if layer.count_params():
        print(f"{layer.name:22}{layer.count_params():8,}  {layer.output.shape[1:]}")
print(f"{'all':22}{model.count_params():8,}")

# %% [markdown]
# The convolutions, by far, and most of all those of the last stage, where the channels are many. Check one row by hand. The
# second convolution has 64 kernels over 32 channels. Each kernel is 3 × 3 numbers for each channel, and a bias. So it holds
# 64 · (9 · 32 + 1) numbers. All of them together are the count that the tutorial states [1].
#
# ## 6 What is a good answer? The loss
#
# Training needs one number that says how wrong the network is. First we turn the ten logits into
# ten probabilities. **Softmax** makes them positive with the exponential function, and divides by
# their sum. Then we look only at the probability of the *right* class. With $z_c$ for the logit of class $c$ and $p_c$ for
# its probability, the **cross-entropy** is
#
# $$ L = -\log p_{\text{right}}, \qquad p_c = \frac{e^{z_c}}{\sum_k e^{z_k}} $$
#
# Sure and right costs nothing. Sure and wrong costs a lot.


# %% alt="The loss against the probability of the right class: it falls steeply from the left to zero at certainty; a dot marks a guess." tags=["diagram"]
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
# About the loss of a guess. Test any new network like this: with $n$ classes, the first loss should be near $\log n$. If it
# is far above, something is wrong before training has begun.
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
    return untuned(dataset.batch(BATCH_SIZE, drop_remainder=True))  # full batches only


def compile_with_cosine(network, images, epochs):
    """Adam, with a rate that falls from its peak to 0 over all steps."""
    steps = epochs * (images // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(PEAK_RATE, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])


# %% [markdown]
# (`untuned` switches off a helper of TensorFlow's that can make us wait between epochs. Notebook
# 06 tells that story.) One call trains. It takes most of this notebook's minutes, so read on meanwhile. The validation
# images are only looked at: they tell after each epoch how the network does on images that it has not learned from.

# %% alt="Learning curves: training and validation loss fall, accuracies rise, and a gap opens between the two."
compile_with_cosine(model, len(data.x_train), EPOCHS)
history = model.fit(
    in_batches(data.x_train, data.y_train),
    epochs=EPOCHS,
    validation_data=(data.x_val, data.y_val),
    validation_batch_size=500,
    shuffle=False,  # the dataset does it
    verbose=2,
).history

fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, metric in zip(axes, ("loss", "accuracy"), strict=True):
    plotting.plot_learning_curves(history, metric, data_name=data.name, ax=ax)

# %% [markdown]
# These are **learning curves**, and you will read many of them. In the first epochs the two
# stay close together. Don't read much into that: the training figure is an average over an epoch in which the network was
# still learning, and dropout was in its way. Later the training accuracy pulls ahead. The gap between the two is what the
# network knows
# about *these* images and not about images in general. At the end the validation curve lies flat. The learning rate
# has come down to nearly nothing, and the weights settle.
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
# batch normalisation with a long memory (`momentum` 0.99). We ran that recipe, too. On the left is how it went, a line for
# each run; on the right is our own training. (`load_histories` takes the curves from the record of all our runs.)

# %% alt="Validation accuracy by epoch: jumping up and down with a constant rate and a long memory, smooth with ours."
ours = history["val_accuracy"]
panels = {
    "constant rate, long memory": [
        h["val_accuracy"] for h in load_histories("valid_cnn")
    ],
    "falling rate, short memory": [ours],
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
for ax, (title, curves) in zip(axes, panels.items(), strict=True):
    for curve in curves:
        ax.plot(range(1, len(curve) + 1), curve)
    ax.set(title=title, xlabel="epoch")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[0].set_ylabel("validation accuracy")
plotting.label_source(axes[1], data.name)

# %% [markdown]
# On the left, a curve can lose some points from one epoch to the next and win them back. Which accuracy would you
# publish? On the right, it climbs and settles. Two things are at work, and we changed both. Small steps at
# the end let the weights come to rest. And a short memory keeps the averages of normalisation close to the weights that they belong to; with a long
# one, they describe weights of a hundred steps ago, which no longer exist.
#
# ## 8 Look inside
#
# Nobody told the first layer what to look for. Training has chosen its 32 kernels. Each is a tiny picture of 3 × 3 pixels:
# what it would like to see.


# %% alt="The 32 kernels of the first layer, each 3 by 3 coloured pixels: edges and colour contrasts."
def as_pictures(weights):
    """Grey is zero; each picture is stretched to its own largest weight."""
    return 0.5 + 0.5 * weights / np.abs(weights).max(axis=(1, 2, 3), keepdims=True)


convolutions = [a for a in model.layers if isinstance(a, layers.Conv2D)]
kernels = np.moveaxis(convolutions[0].get_weights()[0], -1, 0)
ax = plotting.plot_images(as_pictures(kernels), columns=8, data_name=data.name)

# %% [markdown]
# Nine pixels make no picture of anything, and most of these are hard to read. Find one that is dark on one side and bright on
# the other: it is an edge detector, like ours. One that goes from a colour to its opposite finds edges between
# colours. Edges and colours show up in the first layer of nearly every network that learns from photographs. Detectors of edges were even
# found in the visual cortex of cats [4]. Compare with the templates of the linear model:

# %% alt="The linear model's ten templates: coloured smudges on grey."
templates = as_pictures(linear.coef_.reshape(10, 32, 32, 3))
ax = plotting.plot_images(templates, CLASS_NAMES, data_name=data.name)

# %% [markdown]
# That is another way of seeing: each tries to be a whole truck or a whole frog at once.
#
# What do the kernels answer to? We cut the network open and show it our truck. On top, the eight
# first-layer kernels that answer most strongly; under each, its feature map. Then the strongest maps of the later stages, each row sorted on its
# own; black is zero.

# %%
stages = [convolutions[0].output, convolutions[2].output, convolutions[4].output]
inside = keras.Model(model.input, stages)
maps = [np.asarray(stage)[0] for stage in inside(truck[None])]

# %% alt="Eight kernels and their maps of the truck, in which it can still be seen; coarser maps of the second stage; maps of 2 by 2 squares of the third." jupyter={"source_hidden": true} tags=["hide-input"]
fig, axes = plt.subplots(4, 9, figsize=(9, 4.2), layout="constrained")
for row, stage in enumerate(maps, start=1):
    strongest = np.argsort(-stage.max(axis=(0, 1)))[:8]
    side = stage.shape[0]
    axes[row, 0].set_ylabel(f"stage {row}\n{side} × {side}", fontsize=8)
    for ax, channel in zip(axes[row, 1:], strongest, strict=True):
        ax.imshow(stage[:, :, channel], cmap="gray", vmin=0)
        if row == 1:
            column = list(strongest).index(channel) + 1
            axes[0, column].imshow(as_pictures(kernels)[channel])
axes[1, 0].imshow(truck)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=bool(ax.images), color="0.7")
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
# Until now we judged by the validation images. But we chose the learning rate by them, and the memory of normalisation, so
# they are no longer quite fair. The test images have decided nothing. We open them now, when everything is
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
# About twice what the linear model gets right. (It learned from fewer images here; with all of them, as in notebook 01, it
# gets a little further.) In brackets stands a 95 % interval: how far chance in the choice of these 10,000 images may have
# moved the figure.
#
# One number hides a lot. The **confusion matrix** shows which class is taken for which. A row is a
# true class, a column is what the network said. We hide the diagonal, the right answers, because the
# mistakes are what we want to see. **Before you run the cell:** which pair will stand out?

# %% alt="A confusion matrix without its diagonal: cats and dogs stand out, animals are taken for animals and vehicles for vehicles."
display = plotting.plot_confusion_matrix(
    y_test,
    y_pred,
    class_names=CLASS_NAMES,
    hide_diagonal=True,
    data_name=data.name,
)

# %% [markdown]
# Cats and dogs, in both directions. Apart from them, animals fill the middle, and vehicles the four corners: an automobile
# is taken for a truck, an airplane for a ship. What is outside these blocks is dark, with one exception: the sky, where
# birds and airplanes meet.
#
# Now the mistakes that it was most sure of. Above each: what the network says and how sure it is, and then the label.

# %% alt="Test images that the network got wrong and was most sure of, with its answer and the label above each."
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
# labels, and perhaps you meet its bright green "cat" again. Some are hard for anyone at this size. And some are plainly
# silly.
#
# A network may be wrong, as long as it warns us honestly. Of all answers given with 90 % confidence, one in ten *should* be
# wrong. A network that keeps its word is called *calibrated*. Is ours? We sort the answers by confidence into eight
# groups of equal size, and count how many of each group are right.

# %% alt="How often the network was right against how sure it was: the curve runs below the diagonal."
confidence = probabilities.max(axis=1)
groups = {"n_bins": 8, "strategy": "quantile"}
right, said = calibration_curve(y_pred == y_test, confidence, **groups)

fig, ax = plt.subplots(figsize=(4, 3.6), layout="constrained")
ax.plot([0.3, 1], [0.3, 1], "--", color="0.6")
ax.plot(said, right, "o-")
ax.text(0.6, 0.66, "as good as its word", color="0.4", ha="right")
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
# First our truck, as the network names it:


# %% alt="The truck, moved further to the right from picture to picture; above each what our network says."
def asking(network):
    """A function that asks a network, as `ask_linear` asks the linear model."""
    return lambda images: evaluation.predict_probabilities(network, images).argmax(-1)


ax = slide_truck(asking(model))

# %% [markdown]
# Now all validation images. **Before you run the cell:** draw the network's curve with your finger. How much will it lose?
#
# A third line is in the picture, too. It is the same network, trained by a better recipe, which among other things shifts
# each training picture at random by a pixel or two. `load_trained` gets a network with trained weights from the package.

# %% alt="Three falling curves of accuracy against the shift: the linear model lowest, our network about twice as high, and the one trained with shifts above it."
curves = {"linear model": linear_slid, "our network": accuracy_when_slid(asking(model))}
curves["trained with shifts"] = accuracy_when_slid(asking(load_trained("valid_cnn")))
fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for name, curve in curves.items():
    (line,) = ax.plot(SHIFTS, curve, "o-")
    end = (SHIFTS[-1], curve[-1])
    ax.annotate(f"  {name}", end, va="center", color=line.get_color())
ax.set(xlabel="pixels to the right", ylabel="validation accuracy", ylim=(0, 1))
ax.set(xlim=(-0.5, 1.5 * SHIFTS[-1]), xticks=SHIFTS)
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
plotting.label_source(ax, data.name)

# %% [markdown]
# Did you draw a flat line? The network is about twice as good as the linear model at every shift. But when things move
# far, it loses at least as large a share of what it knew.
#
# How can that be, when every kernel is the same everywhere? The *parts* move along with the picture. The *whole* does not.
# The squares of pooling lie at fixed places. The last convolutions work on maps that are hardly larger than their
# windows, so the left of such a kernel always looks at the left of the picture. And photographers put trucks in the middle, so that is where the network has learned to look for them.
# (A small part of the loss is fair: at eight pixels, a quarter of the picture has left on the right.)
#
# The third line keeps more. What the architecture does not give, the data may teach. Can you teach a network to stay flat?
# That is the subject of notebook 03.
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
# second one makes them nearly equal: the loss can't get small, and training is slow.</details>
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
# > of learning rate and momentum, so trust the test accuracy. Dropout rates are ours, since the tutorial does not state its own. And
# > test images that resemble training images flatter every figure a little, as notebook 01 showed.
#
# ## Three takeaways
#
# * A convolution asks one small question everywhere. What it learns in one place, it knows in all places. A whole
#   network needs more than that to ignore where things are.
# * Nobody designs the kernels. Training finds them, and those of the first layer look for edges and colours.
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
# 1. A public tutorial, called s3 in [the ledger](../results/README.md) of this series, where all our runs are recorded. It
#    quotes the tutorial's table of layers, its claim, and what its recipe reaches in our hands.
# 2. S. Ioffe and C. Szegedy, [Batch Normalization](https://arxiv.org/abs/1502.03167), 2015.
# 3. D. Kingma and J. Ba, [Adam: A Method for Stochastic Optimization](https://arxiv.org/abs/1412.6980), 2014.
# 4. D. Hubel and T. Wiesel, [Receptive Fields of Single Neurones in the Cat's Striate Cortex](https://doi.org/10.1113/jphysiol.1959.sp006308), 1959.
#
# **Previous:** [01 · Explore the dataset](01_explore_the_dataset.ipynb) ·
# **Next:** [03 · Data augmentation](03_data_augmentation.ipynb)
