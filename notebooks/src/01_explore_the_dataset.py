# %% [markdown]
# # 01 · Explore the dataset
#
# **Three things are wrong with the world's favourite data set: a *cat* that is a bright green
# frog, test images that are also among the training images, and standard deviations that
# countless repositories copy though they are something else. In this notebook you find all
# three.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/01_explore_the_dataset.ipynb)
#
# **You will learn** to look at a data set before you train on it: to check what you have loaded, to
# compute statistics and recognise wrong ones, to find near-copies, and to measure how far one gets
# without a neural network.
#
# **Before you start** you need NumPy at the level of indexing arrays. No deep learning.
#
# **Runtime** about a minute on two processor cores. No GPU is needed.

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
    package = f"git+{repository}@v0.1.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])

from cifar_utils.notebook import check_answer, start

start(seed=0, keras=False)

import time

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import PercentFormatter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin

from cifar_utils.data import (
    CLASS_NAMES,
    channel_statistics,
    load_cifar10,
    load_cifar10_test,
)
from cifar_utils.evaluation import accuracy_interval
from cifar_utils.plotting import label_source, plot_images

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
TEST_LIMIT = None
PUBLISHED_STD = (0.2470, 0.2435, 0.2616)  # over all training pixels
COMMON_WRONG_STD = (0.2023, 0.1994, 0.2010)  # found in countless repositories
NEIGHBOURS = 7
PAIRS = 10  # near-duplicates to show
ALIKE = 0.95  # correlation from which two images count as nearly the same here
MISLABELLED = 2405  # a test image

# %% [markdown]
# ## 1 Load the images
#
# CIFAR-10 [1] has 60,000 small photographs. `load_cifar10` returns the training images,
# with a part of them set aside for validation. It looks for the files on your machine
# first and downloads them only if there are none. (Without a connection, set the
# environment variable `CIFAR10_DIR` to a folder that has them, or `CIFAR_UTILS_SOURCE` to
# `synthetic` for drawn pictures in their place.) What does it give us?

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
for split in ("train", "val"):
    x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
    print(f"{split:5} images {x.shape}, labels {y.shape}, {x.nbytes / 1e6:.0f} MB")
print("these are:", data.name)

# %% [markdown]
# One part is to learn from, a smaller one to choose by. The test images are not here; they have
# a function of their own, which we call at the end. The last line says what was loaded: it knows
# the official release by a checksum over all its pixels.

# %% [markdown]
# An image is a block of 32 rows, 32 columns and three channels: red, green, blue.

# %% tags=["nbval-check-output"]
image = data.x_train[0]
print("image:", image.shape, image.dtype)
print("labels:", data.y_train.shape[1:], data.y_train.dtype)

# %% [markdown]
# Two details save trouble later. The pixels are `uint8`, one byte each: converted to
# `float32` the training images would fill four times the memory, so the conversion is
# left to the model. And the labels have shape `(n,)`. Keras' own loader gives `(n, 1)`.
# Compare such labels with predictions of shape `(n,)`, and NumPy spreads both to an `(n, n)`
# table. **Before you run the cell:** all ten predictions are right; what will it print?

# %% tags=["nbval-check-output"]
predictions = np.arange(10)
column = predictions.reshape(-1, 1)  # the same ten labels, in Keras' shape
print("accuracy with labels (n,):  ", np.mean(predictions == predictions))
print("accuracy with labels (n, 1):", np.mean(predictions == column))

# %% [markdown]
# Every prediction is right, and the second line still says one in ten. No error, no warning.
#
# A label is an index into the list of class names.

# %% tags=["nbval-check-output"]
for label, name in enumerate(CLASS_NAMES):
    print(label, name)

# %% [markdown]
# ## 2 Are the classes balanced?
#
# If one class were far more frequent than the others, a model could score well by
# always naming it. How many images has each class in the two parts?

# %%
train_counts = np.bincount(data.y_train, minlength=10)
val_counts = np.bincount(data.y_val, minlength=10)
print("training:  ", train_counts)
print("validation:", val_counts)
assert len(set(train_counts)) == 1 and len(set(val_counts)) == 1

# %% [markdown]
# Exactly balanced, and not by luck: the official training set has 5,000 images of each
# class, and the validation images were drawn class by class (a *stratified* split). So
# guessing scores 10 %, and plain accuracy is a fair measure. Compare `validation_split`
# in Keras' `fit`, which takes the last images of the array, unshuffled.

# %% [markdown]
# ## 3 What do the images look like?
#
# One row per class, ten images each, in the order of the files.

# %%
rows = [np.flatnonzero(data.y_train == label)[:10] for label in range(10)]
grid = data.x_train[np.concatenate(rows)]
titles = [CLASS_NAMES[i // 10] if i % 10 == 0 else "" for i in range(100)]
ax = plot_images(grid, titles, data_name=data.name)

# %% [markdown]
# The objects fill much of the picture and stand near its centre, but pose, distance, colour and
# background vary without limit. Some are hard for us, too: the first deer can hardly be told from
# the grass. The label names one object, not the rest of the scene. And it can be wrong: we shall
# meet an example at the end.

# %% [markdown]
# ## 4 Channel statistics, and the wrong ones that circulate
#
# Networks like inputs around zero with a spread around one, so images are often turned
# into *z-scores*: subtract the mean, divide by the standard deviation, channel by
# channel. The two numbers belong to the training images alone, since the others stand
# for pictures that nobody has seen.

# %%
mean, std = channel_statistics(data.x_train)
print("mean:              ", mean.round(4))
print("standard deviation:", std.round(4))
print("published:         ", PUBLISHED_STD)

# %% [markdown]
# The published ones, up to the last digit or so: ours leave the validation images out (try
# `val_size=0`). But these are not the deviations that you will meet most often. The ones that
# circulate are smaller. What could they be? **Make a guess before you read on.** Here is ours:
# somebody took the deviation of every image by itself, and then the average.

# %%
pixels = data.x_train.reshape(len(data.x_train), -1, 3) / np.float32(255)
per_image_std = pixels.std(axis=1)  # one per image and channel
print("average of the images' own deviations:", per_image_std.mean(axis=0).round(4))
print("found in countless repositories:      ", COMMON_WRONG_STD)
print("spread of the z-scores they give:     ", (std / COMMON_WRONG_STD).round(2))
del pixels

# %% [markdown]
# There they are. The figures that circulate are the *average of the images' own standard
# deviations*. They leave out how much images differ from one another, one dark, the next
# bright, and so they are too small. The last line shows what follows: z-scores made with them
# spread by a fifth or more too far. A network survives that; but the name *standard deviation*
# is wrong.

# %% [markdown]
# ## 5 The average image of each class
#
# What remains if we average all images of a class?

# %%
means = np.stack([data.x_train[data.y_train == c].mean(axis=0) for c in range(10)])
ax = plot_images(means / 255, CLASS_NAMES, data_name=data.name)

# %% [markdown]
# A grey blob each, with a hint: airplanes and ships on blue, something dark and wide for
# automobiles, a brown smudge for most animals. Had every class a fixed pose, we would
# see the object. So one average per class will not get far as a description of it. How
# far apart are these averages?

# %%
distances = np.linalg.norm((means[:, None] - means[None]).reshape(10, 10, -1), axis=-1)
fig, ax = plt.subplots(figsize=(6.2, 5.2), layout="constrained")
sns.heatmap(
    distances / np.sqrt(means[0].size),
    xticklabels=CLASS_NAMES,
    yticklabels=CLASS_NAMES,
    cmap="cividis",
    annot=True,
    fmt=".0f",
    cbar_kws={"label": "root mean square difference (levels of 255)"},
    ax=ax,
)
label_source(ax, data.name, above=True)

# %% [markdown]
# The animals form a block, and cat and dog are almost the same grey. The largest difference is
# that of airplane and frog: blue sky against brown ground. The vehicles form no block. Airplane
# and ship are near each other, but the automobile is about as near to bird and horse as to the
# truck: colour and layout alone do not know what a wheel is. Remember the table: the confusions
# of the networks will show what else they go by.

# %% [markdown]
# ## 6 Nearest neighbours in pixel space
#
# The simplest classifier of all compares a new image with every training image, pixel
# by pixel, and takes over the label of the closest. Let us see what "closest" means for
# five validation images. First, z-scores, and each image as one long vector.


# %%
def as_vectors(images):
    """Z-scores, one row per image: shape (n, 3072), float32."""
    z = (images / np.float32(255) - np.float32(mean)) / np.float32(std)
    return z.reshape(len(images), -1)


train_vectors, val_vectors = as_vectors(data.x_train), as_vectors(data.x_val)
print("training vectors:", train_vectors.shape, f"{train_vectors.nbytes / 1e6:.0f} MB")

# %%
picked = [np.flatnonzero(data.y_val == label)[0] for label in (0, 3, 6, 7, 9)]
tiles, titles = [], []
for i in picked:
    squared = ((train_vectors - val_vectors[i]) ** 2).sum(axis=1)
    nearest = np.argsort(squared)[:NEIGHBOURS]
    tiles += [data.x_val[i], *data.x_train[nearest]]
    titles += [f"{CLASS_NAMES[data.y_val[i]]}:"]
    titles += [CLASS_NAMES[label] for label in data.y_train[nearest]]
ax = plot_images(np.stack(tiles), titles, columns=NEIGHBOURS + 1, data_name=data.name)

# %% [markdown]
# The first image of a row is the one we ask about, the others are its nearest neighbours. Look at
# what they share: bright or dark, a pale ground, something in the middle. Hardly ever an object.
# Pixel distance sees brightness and layout. Where these go together with the class, as for an
# airplane before the sky, it finds the right label, and for the wrong reason.

# %% [markdown]
# ## 7 Is a smaller picture a worse picture?
#
# How good is this classifier? We let it name the class of every validation image. Then we do
# the same with tiny copies of the images: blocks of 4 × 4 pixels, averaged, which leaves 8 × 8.
# **Before you run the cells:** the tiny copies have lost nearly all detail. How much accuracy will
# they lose?


# %%
def shrink(images):
    """Averages over blocks of 4 x 4 pixels: shape (n, 8, 8, 3)."""
    blocks = images.reshape(len(images), 8, 4, 8, 4, 3)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


ax = plot_images(shrink(data.x_val[:10]) / 255, data_name=data.name)

# %%
tiny_train, tiny_val = (
    shrink(x).reshape(len(x), -1) for x in (data.x_train, data.x_val)
)
knn = {}
for name, train, val in (
    ("32 x 32", train_vectors, val_vectors),
    ("8 x 8", tiny_train, tiny_val),
):
    begin = time.perf_counter()
    nearest = pairwise_distances_argmin(val, train)
    seconds = time.perf_counter() - begin
    knn[name] = accuracy_interval(data.y_val, data.y_train[nearest])
    print(f"{name:7} pixels: {knn[name]}, compared in {seconds:.1f} s")

# %% [markdown]
# None at all! The tiny pictures are *better*, and by more than the intervals allow for (each would
# hold the accuracy on other images like these in 95 of 100 cases). They are also several times
# faster. Distance in pixels takes exact places too seriously: shift an edge by one pixel, and every
# pixel along it counts as wrong. Averaging blurs the edge, and forgives the shift.
#
# Keep this in mind. What hurts here is not too little detail. It is that things move.

# %% [markdown]
# ## 8 What does a linear model see?
#
# Logistic regression is the last layer of a neural network without all the others. It has one
# weight for each pixel, colour and class, multiplies, adds up, and names the class with the largest
# sum.

# %%
regression = LogisticRegression(C=1e-4, max_iter=200, tol=1e-2)
regression.fit(train_vectors, data.y_train)
logistic = accuracy_interval(data.y_val, regression.predict(val_vectors))
print(f"validation images: {logistic}")
print(f"training images:   {regression.score(train_vectors, data.y_train):.1%}")

# %% [markdown]
# Even on the images it was trained on, it scores barely more. So it does not learn by heart; it
# *can't* do better with one weight for each pixel. What has it learned?

# %%
weights = regression.coef_.reshape(10, 32, 32, 3)
scale = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
ax = plot_images(0.5 + 0.5 * weights / scale, CLASS_NAMES, data_name=data.name)

# %% [markdown]
# One template per class, to be laid over the image: grey counts for nothing, a bright
# colour counts for the class where the image has that colour, a dark one against it. Some
# show a ghost of their class: a body above green ground for the horse, a green blob for the
# frog.
#
# One template has to serve for all poses at once. Move the horse by a few pixels, and it no longer
# fits. So here is a wish: **a detector that knows a wheel, an ear or a wing wherever it is.** Notebook
# 02 fulfils it.

# %% [markdown]
# ## 9 Are the test images new? Near-duplicates
#
# A test set stands for images that the model has never seen. CIFAR-10 was collected
# from the web, where pictures are copied. We now open the test set, once, and look for
# its closest relatives among the training images. Brightness should not matter, so
# each image is brought to zero mean and unit length; the dot product of two such
# vectors is their correlation, 1 for images that differ in brightness and contrast only.


# %%
def as_unit_vectors(images):
    """Zero mean and unit length, one row per image: float32, shape (n, 3072)."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


del train_vectors, val_vectors
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)

# %%
train_units = as_unit_vectors(data.x_train)
closest = np.empty(len(x_test), int)
correlation = np.empty(len(x_test))
for begin in range(0, len(x_test), 500):
    products = as_unit_vectors(x_test[begin : begin + 500]) @ train_units.T
    closest[begin : begin + 500] = products.argmax(axis=1)
    correlation[begin : begin + 500] = products.max(axis=1)
alike = correlation > ALIKE
print(f"correlation above {ALIKE}: {alike.sum()} of {len(x_test):,} test images")

# %%
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist(correlation, bins=60, color="tab:blue")
ax.axvline(ALIKE, color="black", linestyle="--", label="nearly the same")
ax.set(xlabel="correlation with the closest training image", ylabel="test images")
ax.legend()
label_source(ax, data.name)

# %% [markdown]
# Most test images have a relative somewhere in the middle, which means a similar layout. A bell
# like this has a tail without any copies, so the number beyond the line proves nothing. But the
# shoulder at the right end looks suspicious. We have to look: at the closest pairs, and at those
# that only just lie beyond.


# %%
def show_pairs(rows):
    """Test images above, the closest training image of each below."""
    pairs = np.concatenate([x_test[rows], data.x_train[closest[rows]]])
    titles = [f"test\n{CLASS_NAMES[y_test[i]]}" for i in rows]
    titles += [f"training\n{CLASS_NAMES[data.y_train[closest[i]]]}" for i in rows]
    return plot_images(pairs, titles, columns=len(rows), data_name=data.name)


# %%
order = np.argsort(-correlation)
ax = show_pairs(order[:PAIRS])

# %% [markdown]
# The closest pairs are the same photographs, in both the training and the test set. Some are
# brighter, some of another tint, some compressed differently.

# %%
last = max(PAIRS, alike.sum())
ax = show_pairs(order[last - PAIRS : last])

# %% [markdown]
# Go through these pairs one by one: which are the same photograph, which only alike by chance?
# Even here, close to the line, most are copies. So there must be more of them below it.

# %%
if alike.any():
    same = np.mean(data.y_train[closest[alike]] == y_test[alike])
    print(f"{alike.mean():.1%} of the test images; {same:.0%} with the same label")
else:
    print("no such pair among these images")

# %% [markdown]
# A careful search over all training images, which also finds crops and shifts, names about 3 % of
# the test set [4]. The two sets are not disjoint, and accuracies on CIFAR-10 flatter a little.
# The comparison of two models, both flattered, suffers less.

# %% [markdown]
# And the labels? This is one of the test images. **What would you call it?**

# %%
label = CLASS_NAMES[y_test[MISLABELLED]]
_, ax = plt.subplots(figsize=(2.2, 2.5))
ax = plot_images(x_test[[MISLABELLED]], [f"label: {label}"], data_name=data.name, ax=ax)

# %% [markdown]
# Its label says *cat*. About fifty people were asked, and every one of them said *frog* [3].
# A network that is right about this image loses a point.

# %% [markdown]
# ## 10 How well do people do?
#
# Some 2,500 people have sorted the test images, about fifty of them each one [3]. Here is everything on
# one scale: what we measured in this notebook, on the validation images, and what is published.

# %%
rows = {
    "guess": 0.1,
    "nearest neighbour, 32 × 32": knn["32 x 32"].accuracy,
    "nearest neighbour, 8 × 8": knn["8 x 8"].accuracy,
    "linear model": logistic.accuracy,
    "fast networks [2]": 0.94,
    "one human vote [3]": 0.952,
    "majority of fifty [3]": 0.992,
}
fig, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
colors = ["tab:blue"] * 4 + ["0.7"] * 3
bars = ax.barh(list(rows), list(rows.values()), color=colors)
ax.bar_label(bars, [f"{value:.0%}" for value in rows.values()], padding=4)
ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.set(xlim=(0, 1.12), xlabel="images classified correctly")
ax.invert_yaxis()
label_source(ax, data.name)

# %% [markdown]
# The wide gap between blue and grey is what this series is about. And the last bar says where it has to
# end. Where the majority disagrees with the label, the label may be wrong, or the picture is not clear.
# A model that agrees with such labels does not see better. It has guessed the labeller's mistakes.

# %% [markdown]
# ## Check your understanding
#
# **1.** Why is the accuracy of always naming one class exactly 10 % here?
#
# <details><summary>Answer</summary>Because each class has the same number of
# validation images. On unbalanced data it is the share of the largest class.</details>
#
# **2.** Which images may the channel statistics be computed from, and why?
#
# <details><summary>Answer</summary>The training images alone. Statistics are learnt
# parameters; validation and test images must not influence anything that is
# learnt.</details>
#
# **3.** Logistic regression is better on its training images than on the validation
# images, and the nearest neighbour is always right on its own training images. Is the
# latter worth anything?
#
# <details><summary>Answer</summary>No. Each training image is its own nearest
# neighbour, at distance 0. Only images that were not used tell how good a classifier
# is.</details>

# %% [markdown]
# ## How far to trust this
#
# > The intervals are for other validation images; the methods here have no randomness of their own worth
# > speaking of. Logistic regression was given one strength of its penalty, not tuned. The search for copies
# > compares brightness and contrast only, so it misses crops and shifts, and where it draws the line is our
# > choice. The published figures are on the test images, ours in section 10 on validation images.

# %% [markdown]
# ## Three takeaways
#
# * Look before you train. Labels can be wrong, copies sit on both sides of the split, and even a standard
#   deviation that everybody copies can be something else.
# * Pixels see layout, not objects. A blurred picture beats a sharp one, because blur forgives a shift.
# * Compare every later accuracy with the simplest methods below, and with people above.
#
# In the next notebook, a small network has to beat the linear model.

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Solutions, executed:
# [solutions to 01](solutions/01_explore_the_dataset.ipynb).

# %% [markdown]
# **Exercise 1 ★** Write `class_shares(labels)`, the share of each of the ten classes.
# A class without an image has the share 0 and must not be missing.


# %% tags=["answer-1"]
def class_shares(labels):
    return None  # your answer: an array of ten floats


# %% tags=["check-1"]
cases = [
    ((np.array([0, 0, 3, 6]),), [0.5, 0, 0, 0.25, 0, 0, 0.25, 0, 0, 0]),
    ((np.array([9]),), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
]
check_answer(1, class_shares, cases, "np.bincount takes a minlength.")

# %% [markdown]
# **Exercise 2 ★★** Ask more than one neighbour. Write `vote(labels)`: given the labels of the k nearest
# neighbours, nearest first, one row per image, return the most frequent label of each row. Of labels
# equally frequent, the one whose neighbour is nearest wins. Then choose k on the tiny images;
# `kneighbors` of scikit-learn's `NearestNeighbors` finds the k nearest.


# %% tags=["answer-2"]
def vote(labels):
    return None  # your answer: shape (n,), from labels of shape (n, k)


# %% tags=["check-2"]
cases = [
    ((np.array([[4, 1, 1, 2, 0]]),), [1]),
    ((np.array([[5, 6, 7, 8, 2]]),), [5]),
    ((np.array([[2, 3, 1, 1, 3]]),), [3]),
    ((np.array([[7, 3, 3, 7, 5], [9, 9, 0, 0, 5]]),), [7, 9]),
]
check_answer(2, vote, cases, "Count, then look for the first of the most frequent.")

# %% [markdown]
# **Why?** With two neighbours instead of one, the accuracy does not change by a single image. Why not?
#
# <details><summary>Answer</summary>If the two agree, they name what the first one names. If they don't, both
# labels occur once, and the nearer one wins: again the first. Only from three neighbours on can the others
# outvote it.</details>

# %% [markdown]
# **Exercise 3 ★★★ An open challenge.** No neural network allowed: NumPy and scikit-learn only. Write
# `classify(images)`, trained on `data.x_train`, and classify more than half of the validation images correctly. (What
# would a picture of *edges* look like?) Our solution gets well beyond that.


# %% tags=["answer-3"]
def classify(images):
    return None  # your answer: one label for each image


# %% tags=["check-3"]
def judge_labels(labels):
    if np.shape(labels) != data.y_val.shape:
        return f"the shape should be {data.y_val.shape}, not {np.shape(labels)}"
    accuracy = np.mean(labels == data.y_val)
    # With few training images, as in the smoke profile, a third is a lot.
    goal = 0.5 if len(data.x_train) > 10_000 else 0.33
    return None if accuracy > goal else f"{accuracy:.1%} are right"


hint = "Describe each block by how strong its edges are in each direction."
check_answer(3, classify, [((data.x_val,), judge_labels)], hint)

# %% [markdown]
# ## References
#
# 1. A. Krizhevsky, [Learning Multiple Layers of Features from Tiny Images](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf), 2009.
# 2. K. Jordan, [94 % on CIFAR-10 in 3.29 Seconds on a Single GPU](https://arxiv.org/abs/2404.00498), 2024.
# 3. J. Peterson et al., [Human Uncertainty Makes Classification More Robust](https://arxiv.org/abs/1908.07086), 2019 (CIFAR-10H).
# 4. B. Barz and J. Denzler, [Do We Train on Test Data? Purging CIFAR of Near-Duplicates](https://arxiv.org/abs/1902.00423), 2020 (ciFAIR).
#
# **Next:** [02 · A baseline CNN](02_baseline_cnn.ipynb)
