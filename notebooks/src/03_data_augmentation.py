# %% [markdown]
# # 03 · Data augmentation
#
# **With 2,000 training images, flips, shifts and rotations lift a network from 48.4 to
# 53.1 % of the test images (`cifar10-q75`, one run each). Of the single transforms, tried
# on a smaller network and validation images with five seeds, flips gain 2.7 ± 1.2 points (95 %
# interval); shifts as much, but less surely (± 2.1). All of it takes 7 minutes on two processor
# cores.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/03_data_augmentation.ipynb)
#
# **You will learn** to
#
# * see overfitting in the learning curves of a network with a large head,
# * choose random transforms, and look at what they do before you train with them,
# * measure what each of them is worth, with several seeds and an interval,
# * recognise two mistakes: augmented validation images, and a crop that does nothing.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb).
#
# **Runtime** 7 minutes on two processor cores (Intel Xeon with units for bfloat16), most of
# them for the 30 trainings of section 4. An AMD EPYC without such units took some three times as
# long for the same work.

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
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cifar_utils.notebook import quiet_stderr

with quiet_stderr():
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # else it warns that several models are built
    DEVICES = [device.device_type for device in tf.config.list_logical_devices()]

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cifar_utils import evaluation, plotting
from cifar_utils.augmentation import PadCropFlip, build_augmentation
from cifar_utils.data import load_cifar10, load_cifar10_test
from cifar_utils.fast import machine
from cifar_utils.models import build_model
from cifar_utils.notebook import profile
from cifar_utils.training import RECIPES, train

# %%
PROFILE = profile()
print("profile:", PROFILE)
print("versions:", machine.versions())
print("machine:", machine.hardware())
print("devices:", DEVICES)

# %% [markdown]
# ## Settings
#
# Overfitting shows best when images are few, and few images keep this notebook short.
# Dropout, which also works against it, is off, so that augmentation is the only remedy.

# %% tags=["parameters"]
SEED = 0
FULL = PROFILE == "full"
IMAGES = 2_000 if FULL else 640
VAL_SIZE = 2_000 if FULL else 300
TEST_LIMIT = None if FULL else 500
STORY_EPOCHS = 20 if FULL else 1
ABLATION_EPOCHS = 12 if FULL else 1
ABLATION_SEEDS = (0, 1, 2, 3, 4) if FULL else (0,)
ABLATED = None if FULL else 2  # how many variants to train; None for all
BATCH_SIZE = 64
OPTIONS = {"bn_momentum": 0.9, "dropout": (0.0,) * 4}  # of both networks
SHOWN = 8  # variants of an image to show

# %%
keras.utils.set_random_seed(SEED)
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=IMAGES)
print(f"{len(data.x_train):,} training and {len(data.x_val):,} validation images")

# %% [markdown]
# All figures in the text are of `cifar10-q75`, a JPEG copy that notebook 01 introduces. On
# the original images accuracies come out some points higher, and on a GPU the seconds are
# others.

# %% [markdown]
# ## 1 A network that learns by heart
#
# A public tutorial [1] puts a large head on the six convolutions of `plain_cnn`: a dense
# layer of 1,024 units, one of 100, then the ten logits. The tutorial comes in two parts, first
# without augmentation, then with. Where are its 2.5 million parameters?

# %%
# NBVAL_CHECK_OUTPUT
network = build_model("dense_head_cnn")
parts = {"convolutions": 0, "head": 0}
for layer in network.layers:
    is_head = layer.name.startswith(("head", "logits"))
    parts["head" if is_head else "convolutions"] += layer.count_params()
for part, count in parts.items():
    print(f"{part}: {count:,} parameters, {count / network.count_params():.0%}")

# %% [markdown]
# Most sit in the head, which connects each of the 2,048 values of the last map with each of 1,024
# units. With 2,000 images, that is more than a thousand parameters per image. We train it without
# augmentation, as in part one. `train` takes a *recipe*, which holds every choice but the data and
# the seed. We start from the recipe named like the network, `dense_head_cnn`, and change batch
# size, epochs, schedule and options.

# %%
part_one = replace(
    RECIPES["dense_head_cnn"],
    batch_size=BATCH_SIZE,
    epochs=STORY_EPOCHS,
    schedule="cosine",
    model_options=OPTIONS,
)
plain = train(part_one, data, seed=SEED, verbose=0)

# %%
ax = plotting.plot_learning_curves(plain.history, data_name=data.name)

# %%
gap = plain.history["accuracy"][-1] - plain.history["val_accuracy"][-1]
print(f"training   {plain.history['accuracy'][-1]:.1%}")
print(f"validation {plain.history['val_accuracy'][-1]:.1%}, gap {100 * gap:.1f} points")

# %% [markdown]
# Overfitting as in the textbook. From about the eighth epoch on, the network classifies every
# training image correctly, or nearly so. The validation accuracy moves by less than a point
# from there, and ends at 47.2 %. The gap is 52.8 points. Twelve more epochs have not helped. What
# is missing is images.

# %% [markdown]
# ## 2 Images that could have been
#
# A car seen from the left is still a car when seen from the right. *Data augmentation*
# shows the network such variants: each time an image is used, a random one. It must
# never change the label. A digit turned upside down may be another digit, and a car
# upside down is an accident: so no vertical flips here.
#
# Six transforms, each on one image. The amounts are shares of the image's side for shift and
# cutout, degrees for rotation, pixels for the crop; flip takes none. The first column is the
# image as it is; *all of s2* is what the tutorial [1] chains in part two.

# %% tags=["setup"]
transforms = {
    "flip": [("flip", 0)],
    "shift": [("shift", 0.1)],
    "rotation": [("rotation", 15)],
    "cutout": [("cutout", 0.5)],
    "crop and flip": [("crop_flip", 4)],
    "all of s2": list(RECIPES["dense_head_cnn_augmented"].augmentation),
}

# %%
image = data.x_train[np.flatnonzero(data.y_train == 1)[2]]
copies = np.repeat(image[None], SHOWN, axis=0)
tiles, titles = [], []
for name, transform in transforms.items():
    variants = build_augmentation(transform, seed=SEED)(copies, training=True)
    tiles += [image[None] / 255, keras.ops.convert_to_numpy(variants) / 255]
    titles += ["image", name] + [""] * (SHOWN - 1)
sheet = np.concatenate(tiles).clip(0, 1)
ax = plotting.plot_images(sheet, titles, columns=SHOWN + 1, data_name=data.name)

# %% [markdown]
# The same red car everywhere. Flips have two outcomes, shifts and rotations a continuum; look at
# the borders, where the missing pixels are filled with the nearest ones, and at the blur, since a
# shift by a fraction of a pixel has to mix neighbours. Cutout [2] hides a square, so that the
# network cannot rely on one detail. *Crop and flip* shifts by whole pixels and mirrors at the
# border: nothing is blurred. The last row chains the three transforms of the tutorial.

# %% [markdown]
# Mixup [3] does something else: it blends two images and their labels, so that an image
# that is 70 % cat and 30 % truck has that as its label, too. It needs labels as ten
# numbers (*one-hot*), and a batch to find partners in. `alpha` decides how even the
# blends are: 1 gives every share the same chance, small values mostly one image with a trace of
# another.

# %%
mixup = keras.layers.MixUp(alpha=1.0, seed=SEED)
one_hot = np.eye(10, dtype="float32")[data.y_train[:SHOWN]]
mixed = mixup({"images": data.x_train[:SHOWN], "labels": one_hot})
images, labels = (keras.ops.convert_to_numpy(mixed[k]) for k in ("images", "labels"))
titles = [
    " + ".join(f"{p:.0%}" for p in np.sort(row)[:-3:-1] if p > 0) for row in labels
]
ax = plotting.plot_images(images / 255, titles, columns=SHOWN, data_name=data.name)

# %% [markdown]
# The first image is 77 % one picture and 23 % another; you see both at once. The shares are
# random. The van's 100 % mean that it has drawn itself, or one of its own class, as its
# partner. Such images do not occur, and still they can help: the network learns to
# change its mind gradually between classes.

# %% [markdown]
# ## 3 The same network with augmentation
#
# Part two of the tutorial: the same network, the same images, the same number of steps,
# but flipped, shifted and rotated at random. The transforms are layers in front of the
# network while it trains; what `train` returns is the network without them.

# %%
transformed = RECIPES["dense_head_cnn_augmented"].augmentation
part_two = replace(part_one, augmentation=transformed)
augmented = train(part_two, data, seed=SEED, verbose=0)

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
for ax, run, title in zip(
    axes, (plain, augmented), ("without", "with augmentation"), strict=True
):
    plotting.plot_learning_curves(run.history, data_name=data.name, ax=ax)
    ax.set_title(title)

# %%
table = pd.DataFrame(
    {
        name: {
            "training": run.history["accuracy"][-1],
            "validation": run.history["val_accuracy"][-1],
            "seconds": run.seconds,
        }
        for name, run in (("without", plain), ("with", augmented))
    }
).T
table["gap"] = table["training"] - table["validation"]
table.style.format("{:.1%}").format("{:.0f}", subset="seconds")

# %% [markdown]
# The gap is more than a third smaller, 32.7 points, and it has narrowed from both sides. The
# training accuracy is *lower*, 86.3 %, for the network never sees the same image twice and finds
# it harder to learn by heart. Part of that is the measure: these images are transformed, and
# harder; on its training images as they are it would score higher. What counts is the validation
# accuracy, measured alike for both: it is higher by more than six points, 53.6 %. The transforms
# cost little: the trainings took 29 and 31 seconds. They are no substitute for images, though:
# notebook 02 had 45,000 of them, and reached 76.1 % with a smaller network [4].

# %% [markdown]
# ## 4 What is each transform worth?
#
# One at a time, on `valid_cnn`, the network that notebook 02 trains, which is faster. (*Crop
# and flip* and *all of s2* are combinations, and left out.) The rate falls from 0.002 along a
# cosine; mixup has an alpha of 0.2, Keras' default, so that most blends are weak. Seeds
# differ in the initial weights, the order and the random transforms. We compare seed by seed
# with the training without augmentation, and give the mean difference with its 95 % and
# its 99 % interval (Student's t).

# %% tags=["setup"]
base = replace(
    RECIPES["valid_cnn"],
    epochs=ABLATION_EPOCHS,
    schedule="cosine",
    learning_rate=2e-3,
    model_options=OPTIONS,
)
variants = {"none": base}
for name in ("flip", "shift", "rotation", "cutout"):
    variants[name] = replace(base, augmentation=tuple(transforms[name]))
variants["mixup"] = replace(base, mixup=0.2)

# %%
start = time.perf_counter()
finals = {
    name: [
        train(recipe, data, seed=seed, verbose=0).history["val_accuracy"][-1]
        for seed in ABLATION_SEEDS
    ]
    for name, recipe in list(variants.items())[:ABLATED]
}
runs = len(finals) * len(ABLATION_SEEDS)
print(f"{runs} trainings in {time.perf_counter() - start:.0f} s")

# %%
results = pd.DataFrame(finals, index=[f"seed {seed}" for seed in ABLATION_SEEDS]).T
gains = results - results.loc["none"]
results["mean"] = results.mean(axis=1)
results["gain"] = gains.mean(axis=1)
for confidence in (0.95, 0.99):
    intervals = [evaluation.mean_interval(row, confidence) for row in gains.to_numpy()]
    results[f"± {confidence:.0%}"] = [interval.reach for interval in intervals]
results.style.format("{:.1%}")

# %%
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
rows = results.iloc[1:].sort_values("gain")
for reach, width in (("± 99%", 1), ("± 95%", 4)):
    spread = 100 * rows[reach]
    ax.errorbar(100 * rows["gain"], rows.index, xerr=spread, fmt="ok", lw=width)
ax.axvline(0, color="black", linestyle="--", linewidth=1)
ax.set(xlabel="gain (points), with its 95 % (thick) and 99 % interval")
ax.grid(alpha=0.3, axis="x")
plotting.label_source(ax, data.name)

# %% [markdown]
# Taken one by one, the 95 % intervals of flips, 2.7 ± 1.2, shifts, 2.7 ± 2.1, and cutout, −2.1 ±
# 1.9, exclude zero; those of rotation, 1.1 ± 2.0, and mixup, −0.9 ± 1.9, don't. But in up to a
# quarter of experiments at least one of five such intervals misses the true value by chance. The
# thin lines allow for that (*Bonferroni*'s correction): five intervals of 99 % each hold all five
# values at once in at least 95 of 100 experiments. By these, only the gain of flips can be told
# from nothing. Shifts gain as much on average, and by every seed, but from one to five points.
# Rotation gains almost three points by seed 4 and loses one by seed 3: who had tried one seed
# could have told either story. And 2,000 validation images add an uncertainty of their own, of
# which these intervals know nothing. Such a comparison, called an *ablation*, holds for its budget
# of images and epochs, too. Cutout and mixup make the task harder, which may need more than 12
# epochs to pay off; the inventors of both train for 200 [2, 3].

# %% [markdown]
# ## 5 Mistake one: augmented validation images
#
# Whoever puts the transforms into the function that prepares *all* batches also shifts
# and rotates the images that judge the network. How much does it cost, and is the figure
# the same each time?

# %%
layer = build_augmentation(transformed, seed=SEED)
clean = evaluation.predict_probabilities(augmented.model, data.x_val).argmax(axis=1)
print("validation images as they are:", evaluation.accuracy_interval(data.y_val, clean))
for attempt in (1, 2, 3):
    distorted = keras.ops.convert_to_numpy(layer(data.x_val, training=True))
    y_pred = evaluation.predict_probabilities(augmented.model, distorted).argmax(axis=1)
    accuracy = np.mean(y_pred == data.y_val)
    print(f"transformed at random, attempt {attempt}: {accuracy:.1%}")

# %% [markdown]
# Between almost one point and more than two are lost, and each attempt gives another figure, up to
# a point and a half apart: noise that is added to every comparison, and to every decision about
# which epoch was best. And this network has been trained on just these transforms. One trained
# without them would be judged on a task it was never given.

# %% [markdown]
# ## 6 Mistake two: a crop that does nothing
#
# The usual augmentation for CIFAR-10 pads an image by four pixels and cuts a random
# window of 32 × 32. Keras has a layer named `RandomCrop`, which invites the short way: leave
# the padding out. Does it do anything then?

# %%
# NBVAL_CHECK_OUTPUT
x = data.x_train[:200]
crop = keras.layers.RandomCrop(32, 32, seed=SEED)
cropped = keras.ops.convert_to_numpy(crop(x, training=True))
print("images changed by RandomCrop(32, 32):", (cropped != x).any(axis=(1, 2, 3)).sum())

# %% [markdown]
# Nothing: a window of 32 × 32 has only one place in an image of 32 × 32. With padding in
# front of it, it has 81 places. How many of them does a batch get to see? To count them, we
# paint an image whose colours are the row and the column of each pixel; after the crop, the
# pixel in the middle tells how far it was shifted.


# %%
# NBVAL_CHECK_OUTPUT
def count_offsets(layer, images):
    """How many different shifts a layer gives to the images of one batch."""
    places = np.arange(32, dtype="float32")
    ramp = np.stack(np.meshgrid(places, places, [0.0], indexing="ij"), axis=-1)[:, :, 0]
    batch = np.repeat(ramp[None], len(images), axis=0)
    centres = keras.ops.convert_to_numpy(layer(batch, training=True))[:, 16, 16, :2]
    return len(np.unique(centres, axis=0))


padded_crop = keras.Sequential(
    [keras.layers.ZeroPadding2D(4), keras.layers.RandomCrop(32, 32, seed=SEED)]
)
print("shifts in a batch, padding and RandomCrop:", count_offsets(padded_crop, x))
print(
    "shifts in a batch, PadCropFlip:",
    count_offsets(PadCropFlip(4, "none", seed=SEED), x),
)

# %% [markdown]
# One. Called on a batch, Keras' layer draws a single shift for all of it, so all 200 images
# move together. (Mapped over single images in `tf.data`, before `batch`, it draws one for
# each.) Ours draws one for each image, and 200 images visit 76 of the 81 places. Before you
# train with a transform, count what it does; a few lines are enough. Ours has a second
# advantage: it moves whole pixels, so it is a look-up and needs no arithmetic on pixels.


# %%
def images_per_second(layer, repeats=20):
    """How many images a second a layer transforms, in batches of 128, as a graph."""
    batch = tf.constant(data.x_train[:128])
    step = tf.function(lambda images: layer(images, training=True))
    step(batch)
    start = time.perf_counter()
    for _ in range(repeats):
        result = step(batch)
    result.numpy()
    return repeats * len(batch) / (time.perf_counter() - start)


speeds = {
    "flip, shift and rotation": images_per_second(layer),
    "PadCropFlip": images_per_second(PadCropFlip(4, seed=SEED)),
}
for name, speed in speeds.items():
    print(f"{name}: {speed:,.0f} images/s")

# %% [markdown]
# Almost six times as many images a second as the three layers of Keras, of which two interpolate,
# and far more than any network here can use. (It does one transform less: it does not rotate.)
# Augmentation need not be what you wait for.

# %% [markdown]
# ## 7 Open the test set, once
#
# The choice was made on the validation images: part two. Both parts on the test images,
# for the record.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
for name, run in (("without augmentation", plain), ("with", augmented)):
    y_pred = evaluation.predict_probabilities(run.model, x_test).argmax(axis=1)
    result = evaluation.accuracy_interval(y_test, y_pred)
    print(f"{name}: {result} on {data.name}")
    assert result.low > 0.05

# %% [markdown]
# 48.4 against 53.1 %, almost five points apart, and the two intervals do not touch. They are of
# one training each; of what another seed would give, these intervals know nothing. The
# validation images had said 47.2 and 53.6 %.

# %% [markdown]
# ## Check your understanding
#
# **1.** With augmentation, training accuracy can end *below* validation accuracy. Is
# something wrong?
#
# <details><summary>Answer</summary>No. Training accuracy is measured on transformed
# images and averaged over the epoch; validation on clean images
# after it. The two are not measured on the same task.</details>
#
# **2.** Why should augmentation gain more in long trainings than in short ones?
#
# <details><summary>Answer</summary>It makes the task harder, so the network needs more
# steps for the same training accuracy. What it prevents, learning images by heart,
# happens when the same images come again and again.</details>
#
# **3.** A colleague gets other predictions for the same validation images each time.
# What do you look for?
#
# <details><summary>Answer</summary>For a random layer that is active when the network is
# judged: `training=True`, or transforms in the input pipeline of the validation
# images.</details>

# %% [markdown]
# ## Summary
#
# | network, 2,000 images | validation | test, 95 % interval | parameters | epochs | seconds | device | seeds |
# |---|---|---|---|---|---|---|---|
# | `dense_head_cnn` | 47.2 % | 48.4 % (47.5 to 49.4) | 2,494,982 | 20 | 29 | 2 cores | 1 |
# | the same, flip, shift and rotation | 53.6 % | 53.1 % (52.1 to 54.1) | 2,494,982 | 20 | 31 | 2 cores | 1 |
# | `valid_cnn`, mean | 48.4 % | not opened | 297,226 | 12 | 11, mean of all 30 runs, with validation | 2 cores | 5 |
# | the same, flip | 51.0 % | not opened | 297,226 | 12 | 11, likewise | 2 cores | 5 |
#
# All on `cifar10-q75`, last epoch. Look at transformed images before training with them. Compare
# with several seeds, and say for which budget. Validate on images as they are. Count
# what a crop does.

# %% [markdown]
# ## Exercises
#
# Each has a cell for your answer and one that checks it. Solutions, executed:
# [solutions to 03](solutions/03_data_augmentation.ipynb).

# %% [markdown]
# **Exercise 1 ★** Write `mirror(images)`, which flips a batch of images left to right, with
# NumPy and without a loop. The images that it is given must stay as they are.


# %% tags=["answer-1"]
def mirror(images):
    return None  # your answer: the same shape and dtype


# %% tags=["check-1"]
few = data.x_train[:5].copy()
mirrored = mirror(few)
solved = getattr(mirrored, "dtype", None) == np.uint8
solved = solved and np.array_equal(few, data.x_train[:5])
solved = solved and all(
    np.array_equal(mirrored[:, :, i], few[:, :, 31 - i]) for i in range(32)
)
print("Exercise 1:", "solved" if solved else "not solved yet")

# %% [markdown]
# **Exercise 2 ★★** Write `erase(images, size, rng)`: cutout in NumPy. In each image, a
# square of `size` × `size` pixels at a place of its own, wholly inside the image, becomes
# black. `rng` is a `numpy.random.Generator`. Every place must be possible, the corners
# included.


# %% tags=["answer-2"]
def erase(images, size, rng):
    return None  # your answer: the same shape and dtype


# %% tags=["check-2"]
white = np.full((2_000, 32, 32, 3), 255, np.uint8)
solved = True
for size in (24, 29):
    erased = erase(white, size, np.random.default_rng(SEED))
    solved = (
        solved and getattr(erased, "dtype", None) == np.uint8 and white.min() == 255
    )
    if solved:
        black = (erased == 0).all(axis=-1)
        places = len(np.unique(black.reshape(len(white), -1), axis=0))
        solved = np.all(black.sum(axis=(1, 2)) == size**2)
        solved = solved and places == (33 - size) ** 2
print("Exercise 2:", "solved" if solved else "not solved yet")

# %% [markdown]
# **Exercise 3 ★★★** A network that never saw a mirrored image may judge one differently.
# Write `two_views(model, images)`: the mean of the probabilities for each image and for
# its mirror image. Then measure on the validation images what it gains for a network
# trained without flips, and for one trained with them.


# %% tags=["answer-3"]
def two_views(model, images):
    return None  # your answer: shape (n, 10), rows that sum to 1


# %% tags=["check-3"]
untrained = build_model("valid_cnn")
few = data.x_val[:20]
views = two_views(untrained, few)
each = [evaluation.predict_probabilities(untrained, x) for x in (few, few[:, :, ::-1])]
solved = np.shape(views) == (20, 10) and np.allclose(views, sum(each) / 2, atol=1e-5)
print("Exercise 3:", "solved" if solved else "not solved yet")

# %% [markdown]
# ## References
#
# 1. s2 in [the ledger](../results/README.md) of this series: two parts, ≈ 83 % after about 150 epochs with augmentation.
# 2. T. DeVries and G. Taylor, [Improved Regularization of Convolutional Neural Networks with Cutout](https://arxiv.org/abs/1708.04552), 2017.
# 3. H. Zhang et al., [mixup: Beyond Empirical Risk Minimization](https://arxiv.org/abs/1710.09412), 2017.
# 4. [Notebook 02](02_baseline_cnn.ipynb) of this series.
#
# **Previous:** [02 · A baseline CNN](02_baseline_cnn.ipynb) ·
# **Next:** [04 · A residual network](04_residual_network.ipynb)
