# %% [markdown]
# # 01 · Explore the dataset
#
# **Ten balanced classes and 45,000 training images. Without any network, the nearest
# neighbour in pixel space classifies 34.0 % of the validation images correctly, and
# logistic regression 39.7 % (`cifar10-q75`, a JPEG copy of CIFAR-10), in 23 seconds
# together.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/01_explore_the_dataset.ipynb)
#
# **You will learn** to
#
# * load CIFAR-10 and check what you have loaded,
# * compute channel statistics, and recognise the wrong ones that circulate,
# * find nearest neighbours and near-duplicates in pixel space,
# * measure how far methods without a neural network get, so that every later
#   accuracy has something to be compared with.
#
# **Before you start** you need NumPy at the level of indexing arrays. No deep learning.
#
# **Runtime** less than a minute on two processor cores (Intel Xeon). No GPU is needed.

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
import time

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin

from cifar_utils.data import (
    CLASS_NAMES,
    channel_statistics,
    load_cifar10,
    load_cifar10_test,
    profile,
)
from cifar_utils.evaluation import accuracy_interval
from cifar_utils.experiments.ledger import hardware, versions
from cifar_utils.plotting import label_source, plot_images

# %%
PROFILE = profile()
print("profile:", PROFILE)
print("versions:", versions())
print("machine:", hardware())

# %% [markdown]
# The profile is `full` unless you say otherwise. In the `smoke` profile, which the
# automatic tests use, the same cells run on a few images, and their figures say nothing.

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000 if PROFILE == "full" else 500
LIMIT = None if PROFILE == "full" else 2_000  # training images; None for all
TEST_LIMIT = None if PROFILE == "full" else 500
PUBLISHED_STD = (0.2470, 0.2435, 0.2616)  # of the original, over all training pixels
COMMON_WRONG_STD = (0.2023, 0.1994, 0.2010)  # found in countless repositories
NEIGHBOURS = 7
PAIRS = 10  # near-duplicates to show
ALIKE = 0.95  # correlation from which two images count as nearly the same here

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

# %% [markdown]
# The first line is a notice: these are not the original files but `cifar10-q75`, all
# 60,000 images in the original order, each of which went once through JPEG at quality
# 75. That name goes with every figure and picture below. If you see no such notice, you
# have the original, and your figures will differ from those in the text: networks, which come
# later, by perhaps three points, for the better. The other lines: 45,000 images to learn from,
# 5,000 to choose by. The test images are not here; they have a function of their own, which we
# call at the end.

# %% [markdown]
# An image is a block of 32 rows, 32 columns and three channels: red, green, blue.

# %%
# NBVAL_CHECK_OUTPUT
image = data.x_train[0]
print("image:", image.shape, image.dtype)
print("labels:", data.y_train.shape[1:], data.y_train.dtype)

# %% [markdown]
# Two details save trouble later. The pixels are `uint8`, one byte each: converted to
# `float32` the training images would fill four times the memory, so the conversion is
# left to the model, batch by batch. And the labels have shape `(n,)`. Keras' own loader
# gives `(n, 1)`; compared with predictions of shape `(n,)`, such labels broadcast to
# an `(n, n)` table, and the accuracy is wrong without any error:

# %%
# NBVAL_CHECK_OUTPUT
predictions = np.arange(10)
column = predictions.reshape(-1, 1)  # the same ten labels, in Keras' shape
print("accuracy with labels (n,):  ", np.mean(predictions == predictions))
print("accuracy with labels (n, 1):", np.mean(predictions == column))

# %% [markdown]
# Every prediction is right, and the second line still says 10 %.
#
# A label is an index into the list of class names.

# %%
# NBVAL_CHECK_OUTPUT
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
# the grass. The label names one object, not the rest of the scene. And it can be wrong: the third
# *airplane* is plainly a bird.

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
print("published, original:", PUBLISHED_STD)

# %% [markdown]
# The deviations lie 0.0017, 0.0006 and 0.0010 below the published ones. Most likely the JPEG
# compression has taken a little of the spread. That ours are of 45,000 images, not of 50,000,
# explains 0.0001 at most (try `val_size=0`).

# %%
pixels = data.x_train.reshape(len(data.x_train), -1, 3) / np.float32(255)
per_image_std = pixels.std(axis=1)  # one per image and channel
print("average of the images' own deviations:", per_image_std.mean(axis=0).round(4))
print("found in countless repositories:      ", COMMON_WRONG_STD)
print("spread of the z-scores they give:     ", (std / COMMON_WRONG_STD).round(2))
del pixels

# %% [markdown]
# There they are: 0.2006, 0.1988 and 0.2009 are the *average of the images' own standard
# deviations*, and the figures that circulate, 0.2023, 0.1994 and 0.2010, are evidently the
# same quantity for the original images. They leave out how much images differ from one
# another, one dark, the next bright. Z-scores made with them have a spread of 1.2 to 1.3
# instead of 1. A network survives that; but the name *standard deviation* is wrong.

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
# The animals form a block: among the six, no two averages differ by more than 17 levels of 255;
# cat and dog by 7. Airplane against frog is the largest difference, 44: blue sky against brown
# ground. The vehicles form none. Airplane and ship are near each other (17), but the automobile is
# as near to bird and horse as to the truck (16 and 17): colour and layout alone do not know what a
# wheel is. Remember the table: the confusions of the networks will show what else they go by.

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
# The first image of a row is the one we ask about, the others are its nearest neighbours. The
# airplane's are airplanes and ships: something dark on a pale ground. The truck gets a deer, ships
# and an airplane, pale pictures all, and not one truck. Pixel distance sees brightness and layout,
# not objects. Where these go together with the class it works: all neighbours of the frog but one
# are labelled frogs, though the first looks like a cat.

# %% [markdown]
# ## 7 How hard is it?
#
# Three figures, on the validation images, for methods that know nothing of images: always naming
# one class, the nearest neighbour, and logistic regression, which is the last layer of a neural
# network without the others. The latter two come with a 95 % interval (Wilson), for other
# validation images would have given another figure.

# %%
print(f"always 'airplane':   {np.mean(data.y_val == 0):.1%}")

# %%
start = time.perf_counter()
nearest = pairwise_distances_argmin(val_vectors, train_vectors)
seconds = time.perf_counter() - start
knn = accuracy_interval(data.y_val, data.y_train[nearest])
print(f"nearest neighbour:   {knn}, compared in {seconds:.0f} s")

# %%
regression = LogisticRegression(C=1e-4, max_iter=200, tol=1e-2)
start = time.perf_counter()
regression.fit(train_vectors, data.y_train)
seconds = time.perf_counter() - start
logistic = accuracy_interval(data.y_val, regression.predict(val_vectors))
train_accuracy = regression.score(train_vectors, data.y_train)
print(f"logistic regression: {logistic}, fitted in {seconds:.0f} s")
print(f"                     {train_accuracy:.1%} on its training images")
assert knn.low > 0.1 and logistic.low > 0.1

# %% [markdown]
# Guessing gives 10 %. The nearest neighbour reaches 34.0 %, logistic regression 39.7 %, and as
# their intervals are far apart (at most 35.4 % against at least 38.4 %), the order of the two is
# no accident of these 5,000 images. (Rounding decides when the regression stops: on another
# machine it can end some tenths of a point away.) It has little more on its own training images,
# 42.6 %: as it is set up here, with a strong penalty on large weights (`C=1e-4`), it does not learn by heart, but fits even what it has seen poorly. What has it learnt?

# %%
weights = regression.coef_.reshape(10, 32, 32, 3)
scale = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
ax = plot_images(0.5 + 0.5 * weights / scale, CLASS_NAMES, data_name=data.name)

# %% [markdown]
# One template per class, to be laid over the image: grey counts for nothing, a bright
# colour counts for the class where the image has that colour, a dark one against it. The
# horse has magenta above the middle and green below it; the frog a yellowish green centre.
# One template must serve for all poses at once. This is what convolutions will free us
# from.

# %% [markdown]
# ## 8 Are the test images new? Near-duplicates
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
for start in range(0, len(x_test), 500):
    products = as_unit_vectors(x_test[start : start + 500]) @ train_units.T
    closest[start : start + 500] = products.argmax(axis=1)
    correlation[start : start + 500] = products.max(axis=1)
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
# Most test images have a relative with a correlation between 0.5 and 0.85, which means a similar
# layout, and 68 of the 10,000 lie beyond 0.95. A bell like this has a tail without any copies, so
# the number alone proves nothing, though the shoulder at the right end looks suspicious. We have
# to look: at the ten closest pairs, and at the ten that only just lie beyond.


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
# The ten closest pairs are the same photographs in both the training and the test set, some of
# them brighter, of another tint or differently compressed. The two airplanes in the third and
# fourth column are the same picture as well: it occurs twice in the test set.

# %%
last = max(PAIRS, alike.sum())
ax = show_pairs(order[last - PAIRS : last])

# %% [markdown]
# Of these ten, eight are plainly the same photographs again, though brightness or colours may
# differ; the cars are framed a little differently, one picture rescaled or two of the same car.
# The ships are not: two vessels on a smooth sea, alike by chance. So even just above 0.95 most
# pairs are copies, and there must be more of them below.

# %%
if alike.any():
    same = np.mean(data.y_train[closest[alike]] == y_test[alike])
    print(f"{alike.mean():.1%} of the test images; {same:.0%} with the same label")
else:
    print("no such pair among these images")

# %% [markdown]
# So 0.7 % of the test images have a training image, of our 45,000, with a correlation above
# 0.95, in 4 % of those pairs with another label: a wrong label, or a likeness by chance. A
# careful search over all 50,000 that also finds crops and shifts [4] names about 3 % of the
# test set.
# So whoever calls the two sets disjoint is wrong, and accuracies on CIFAR-10 are
# slightly flattering. The comparison of two models, both flattered, suffers less.

# %% [markdown]
# ## 9 What people reach
#
# | who or what | accuracy | source |
# |---|---|---|
# | always one class | 10 % | arithmetic |
# | nearest neighbour on pixels | 34.0 % | measured above, validation |
# | logistic regression on pixels | 39.7 % | measured above, validation |
# | fast convolutional networks | 94 to 96 % | airbench [2], original images |
# | one human vote | 95.2 % | CIFAR-10H [3], original images |
# | most frequent of about 50 human votes | 99.2 % | CIFAR-10H [3], original images |
#
# These are the rails between which the coming notebooks move. The human figures also say where a
# higher accuracy stops being a better model: beyond 99.2 % [3], a model must name the labels of
# images for which the people asked chose another class most often. Some of these labels are
# errors, many images are ambiguous; to agree with such labels is no sign of seeing better. One
# hurried vote, with 95.2 % [3], is a lower bar.

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
# ## Summary
#
# | method | validation accuracy, 95 % interval | fitted parameters | seconds | device |
# |---|---|---|---|---|
# | always one class | 10.0 % exactly | 0 | 0 | 2 cores |
# | nearest neighbour on pixels | 34.0 % (32.7 to 35.4) | all images kept | 12 | 2 cores |
# | logistic regression on pixels | 39.7 % (38.4 to 41.1) | 30,730 | 11 | 2 cores |
#
# All on `cifar10-q75`, one split (seed 0). CIFAR-10 is balanced, varied and small. Its
# statistics belong to the training images, and the deviations that circulate are
# something else. Pixel distance sees layout, not objects. The test set is not quite
# disjoint from the training set. In the next notebook, a small convolutional network
# has to beat 39.7 %.

# %% [markdown]
# ## Exercises
#
# Each has a cell for your answer and one that checks it; the check says *not solved yet* until the
# answer is right. Solutions, executed: [solutions to 01](solutions/01_explore_the_dataset.ipynb).

# %% [markdown]
# **Exercise 1 ★** Write `class_shares(labels)`, the share of each of the ten classes.
# A class without an image has the share 0 and must not be missing.


# %% tags=["answer-1"]
def class_shares(labels):
    return None  # your answer: an array of ten floats


# %% tags=["check-1"]
expected = [0.5, 0, 0, 0.25, 0, 0, 0.25, 0, 0, 0]
shares = class_shares(np.array([0, 0, 3, 6]))
solved = np.shape(shares) == (10,) and np.allclose(shares, expected)
print("Exercise 1:", "solved" if solved else "not solved yet")

# %% [markdown]
# **Exercise 2 ★★** Write `shrink(images)`, which reduces images of 32 × 32 pixels to
# 8 × 8 by averaging blocks of 4 × 4, without a loop. Is the nearest neighbour better or
# worse on the small images, and how much faster? (`pairwise_distances_argmin` takes one
# row per image, so reshape to `(n, -1)`; raw pixels will do.)


# %% tags=["answer-2"]
def shrink(images):
    return None  # your answer: shape (n, 8, 8, 3)


# %% tags=["check-2"]
small = shrink(data.x_val)
solved = np.shape(small) == (len(data.x_val), 8, 8, 3)
for row, column in ((0, 0), (3, 5), (7, 7)):
    block = data.x_val[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
    solved = solved and np.allclose(small[:, row, column], block.mean(axis=(1, 2)))
print("Exercise 2:", "solved" if solved else "not solved yet")

# %% [markdown]
# **Exercise 3 ★★★** Write `vote(labels)`: given the labels of the k nearest neighbours,
# nearest first, one row per image, return the most frequent label of each row. Of labels equally
# frequent, the one whose neighbour is nearest wins. Then choose k on the validation images, shrunk
# to 8 × 8 to save time; `kneighbors` of scikit-learn's `NearestNeighbors` finds the k nearest. How
# many images does only your k get right (b), and how many only k = 1 (c)? If the two were equally
# good, each such image would be as likely to be of the one kind as of the other, and the
# difference of the counts, b − c, would rarely exceed 2·√(b + c).


# %% tags=["answer-3"]
def vote(labels):
    return None  # your answer: shape (n,), from labels of shape (n, k)


# %% tags=["check-3"]
rows = "41120 73375 99005 56782 23113 60404"  # the labels of six images' neighbours
votes = vote(np.array([list(map(int, row)) for row in rows.split()]))
solved = np.shape(votes) == (6,) and np.array_equal(votes, [1, 7, 9, 5, 3, 0])
print("Exercise 3:", "solved" if solved else "not solved yet")

# %% [markdown]
# ## References
#
# 1. A. Krizhevsky, [Learning Multiple Layers of Features from Tiny Images](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf), 2009.
# 2. K. Jordan, [94 % on CIFAR-10 in 3.29 Seconds on a Single GPU](https://arxiv.org/abs/2404.00498), 2024.
# 3. J. Peterson et al., [Human Uncertainty Makes Classification More Robust](https://arxiv.org/abs/1908.07086), 2019 (CIFAR-10H).
# 4. B. Barz and J. Denzler, [Do We Train on Test Data? Purging CIFAR of Near-Duplicates](https://arxiv.org/abs/1902.00423), 2020 (ciFAIR).
#
# **Next:** [02 · A baseline CNN](02_baseline_cnn.ipynb)
