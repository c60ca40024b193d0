# %% [markdown]
# # 01 · Explore the dataset
#
# **For many years, image networks have been measured on the same 60,000 photographs. Three things about them are
# wrong. A standard deviation that everybody copies is not the standard deviation. Some of the test pictures are
# training pictures, too. And one *cat* is no cat at all. Let us find all three.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/01_explore_the_dataset.ipynb)
#
# **You will learn** to look at a data set before you train on it: to check what you have loaded, to
# compute statistics and recognise wrong ones, to find near-copies, and to measure how far one gets
# without a neural network.
#
# **Before you start** you need NumPy: indexing, reshaping, averaging along an axis. No deep learning.
#
# **Runtime** about 3 minutes on two processor cores. No GPU is needed.

# %% [markdown]
# ## Setup
#
# One folded cell installs the series' helper package on Colab and imports what we need. It prints one line: what
# this notebook runs on.

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-input"]
# @title Setup: install on Colab, import
import sys

if "google.colab" in sys.modules:
    from subprocess import check_call

    repository = "https://github.com/cifar10-keras-notebooks/cifar10-keras-notebooks"
    package = f"git+{repository}@v0.2.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])

from cifar_utils.notebook import check_answer, start

start(seed=0, keras=False)


import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin

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
#
# This cell holds everything that you may want to change. `SEED` fixes what is random, and the limits make quick trials
# smaller. The other names are explained where they are used.

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
TEST_LIMIT = None
NEIGHBOURS = 7
SHIFTS = (0, 1, 2, 3, 4)  # pixels
SHIFTED_IMAGES = 200
PAIRS = 10  # near-copies to show
ALIKE = 0.95  # correlation from which two images count as nearly the same here
STRANGE = 2405  # a test image

# %% [markdown]
# ## 1 Load and look
#
# CIFAR-10 [1] has 50,000 small photographs to train with, and 10,000 to test with. `load_cifar10` splits the
# first 50,000: most are for training, and some are set aside for comparing methods. Those are the *validation* images. The
# function looks for the files on your machine first, and downloads them if there are none.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
print("training:  ", data.x_train.shape, data.x_train.dtype)
print("validation:", data.x_val.shape, data.x_val.dtype)
print("these are: ", data.name)

# %% [markdown]
# If the last line says `cifar10`, these are the official images: their pixels have the right checksum. The same name
# stands under every picture, so that you always know what you see. Now look at some. One row for each class, ten
# images each.

# %% alt="Ten rows of ten small photographs, one row for each class, from airplanes to trucks."
rows = [np.flatnonzero(data.y_train == label)[:10] for label in range(10)]
grid = data.x_train[np.concatenate(rows)]
titles = [CLASS_NAMES[i // 10] if i % 10 == 0 else "" for i in range(100)]
ax = plot_images(grid, titles, data_name=data.name)

# %% [markdown]
# The objects stand near the middle and fill much of the picture. Everything else varies: pose, distance, colour,
# background. Some are hard for us, too. And each picture has a single label, for the object, not for the scene around it.
#
# An image is a block of numbers: 32 rows, 32 columns, and three channels, red, green and blue. A label is the number of
# a class. Here is one of each.

# %%
image, label = data.x_train[0], data.y_train[0]
print("one image:       ", image.shape)
print("its middle pixel:", image[16, 16])
print("its label:       ", label, "which means", CLASS_NAMES[label])

# %% [markdown]
# ## 2 A trap in the shape of the labels
#
# Our labels have the shape `(n,)`. Those that Keras gives, the deep-learning library of the later notebooks, have the
# shape `(n, 1)`: a column. It looks
# like a detail. **Before you run the cell:** all ten predictions in it are right. What will it print?

# %% tags=["nbval-check-output"]
labels = np.arange(10)
predictions = labels.copy()  # all of them are right
column = labels.reshape(-1, 1)  # the same ten labels, in Keras' shape
print("accuracy with labels (n,):  ", np.mean(predictions == labels))
print("accuracy with labels (n, 1):", np.mean(predictions == column))

# %% [markdown]
# Every prediction is right, and the second line says one in ten. NumPy has compared each prediction with *each* label, in a
# table of ten by ten cells, and only the diagonal agrees. No error, no warning. Check shapes before you trust an accuracy.
#
# ## 3 Are the classes balanced?
#
# If one class were far more frequent than the others, a model could score well by always naming it. How many
# images does each class have in the two parts?

# %%
train_counts = np.bincount(data.y_train, minlength=10)
val_counts = np.bincount(data.y_val, minlength=10)
print("training:  ", train_counts)
print("validation:", val_counts)
assert len(set(train_counts)) == 1 and len(set(val_counts)) == 1

# %% [markdown]
# All the same, and not by luck. The official set has the same number of images in each class, and ours were set aside
# class by class (a *stratified* split). So a guess scores one in ten, and plain accuracy is a fair measure.

# %% [markdown]
# ## 4 Channel statistics, and the wrong ones that circulate
#
# A colour of 0 to 255 is an awkward number to calculate with. It is customary to turn colours into *z-scores*: subtract
# the mean, divide by the standard deviation, channel by channel. Then the numbers lie around zero, with a
# spread around one. `channel_statistics` computes both over all pixels of all images at once. We give it the training
# images only, because the others stand in for pictures that nobody has seen yet.

# %%
mean, std = channel_statistics(data.x_train)  # on the scale from 0 to 1
print("mean:              ", mean.round(4))
print("standard deviation:", std.round(4))

# %% [markdown]
# Now look into other people's code for CIFAR-10. The means are nearly these. But thousands of repositories use other
# standard deviations: 0.2023, 0.1994 and 0.2010. They are smaller than ours. **Make a
# guess before you run the cell:** where might these smaller numbers come from?

# %%
copied_std = (0.2023, 0.1994, 0.2010)
pixels = data.x_train.reshape(len(data.x_train), -1, 3) / np.float32(255)
per_image_std = pixels.std(axis=1)  # one for each image and channel
print("average of the images' own deviations:", per_image_std.mean(axis=0).round(4))
print("copied everywhere:                    ", copied_std)
print("spread of the z-scores they give:     ", (std / copied_std).round(2))
del pixels

# %% [markdown]
# There they are. Somebody took the deviation of every image *by itself*, and then the average of those. This leaves out
# how much the images differ from one another, one dark, the next one bright. The result is too small, so the
# z-scores spread too widely. A network can live with that. But it is not the standard deviation of CIFAR-10. That is
# the first of our three.

# %% [markdown]
# ## 5 The average image of each class
#
# What remains if we average all images of a class?

# %% alt="Ten blurred pictures: blue for airplanes and ships, a dark wide shape for automobiles, brown smudges for most animals."
means = np.stack([data.x_train[data.y_train == c].mean(axis=0) for c in range(10)])
ax = plot_images(means / 255, CLASS_NAMES, data_name=data.name)

# %% [markdown]
# Each is a blurred blob with a hint of its class: airplanes and ships on blue, something dark and wide for automobiles, a
# brown smudge for most animals. The poses differ too much for an object to survive averaging, so an average describes
# its class badly. Let us try the opposite, and compare single pictures.

# %% [markdown]
# ## 6 Nearest neighbours in pixel space
#
# The simplest classifier of all compares a new image with every training image, pixel by pixel, and copies the
# label of the closest one. What does "closest" look like? First, z-scores, and each image as one long row of numbers.


# %%
def as_vectors(images):
    """Z-scores, one row per image, float32."""
    z = (images / np.float32(255) - np.float32(mean)) / np.float32(std)
    return z.reshape(len(images), -1)


train_vectors, val_vectors = as_vectors(data.x_train), as_vectors(data.x_val)
print("training vectors:", train_vectors.shape, f"{train_vectors.nbytes / 1e6:.0f} MB")

# %% [markdown]
# Five validation images, one in each row, and their nearest neighbours to the right of them.

# %% alt="Five rows: an image and its nearest neighbours, which share brightness and layout but often not the class."
picked = [np.flatnonzero(data.y_val == label)[0] for label in (0, 3, 6, 7, 9)]
tiles, titles = [], []
for i in picked:
    squared = ((train_vectors - val_vectors[i]) ** 2).sum(axis=1)
    nearest = np.argsort(squared)[:NEIGHBOURS]
    tiles += [data.x_val[i], *data.x_train[nearest]]
    titles += [f"image:\n{CLASS_NAMES[data.y_val[i]]}"]
    titles += [CLASS_NAMES[label] for label in data.y_train[nearest]]
ax = plot_images(np.stack(tiles), titles, columns=NEIGHBOURS + 1, data_name=data.name)

# %% [markdown]
# Look along each row. The neighbours share their brightness, a pale background, or a blob in the middle. Pixel distance
# sees brightness and layout. Where these go together with the class, as with an airplane against the sky, it
# finds the right label, but for the wrong reason.

# %% [markdown]
# ## 7 Is a smaller picture a worse picture?
#
# How good is this classifier? We let it name the class of every validation image. Then we do exactly the same with tiny
# copies: blocks of 4 × 4 pixels, averaged, which leaves 8 × 8. Here are some images, and their tiny copies below
# them.


# %% alt="Ten photographs, and below each its copy of 8 by 8 pixels, in coarse squares."
def shrink(images):
    """Averages over blocks of 4 x 4 pixels: shape (n, 8, 8, 3)."""
    blocks = images.reshape(len(images), 8, 4, 8, 4, 3)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


some = data.x_val[:10]
enlarged = shrink(some).repeat(4, axis=1).repeat(4, axis=2)
names = [CLASS_NAMES[label] for label in data.y_val[:10]] + [""] * 10
both = np.concatenate([some / 255, enlarged / 255])
ax = plot_images(both, names, data_name=data.name)

# %% [markdown]
# **Before you run the cell:** the tiny copies have lost nearly all detail. How much accuracy will they lose?


# %%
def neighbour_accuracy(train, val, labels):
    """How often the nearest training image has the right label, with its interval."""
    nearest = pairwise_distances_argmin(val, train)
    return accuracy_interval(labels, data.y_train[nearest])


tiny_train, tiny_val = as_vectors(shrink(data.x_train)), as_vectors(shrink(data.x_val))
sharp = neighbour_accuracy(train_vectors, val_vectors, data.y_val)
tiny = neighbour_accuracy(tiny_train, tiny_val, data.y_val)
print("32 x 32 pixels:", sharp)
print(" 8 x 8  pixels:", tiny)

# %% [markdown]
# None at all! The tiny pictures are *better*. The brackets are 95 % confidence intervals: if we repeated this with fresh
# images, about 95 of 100 such brackets would contain the true accuracy. These two don't even touch.
#
# Why? Here is a suspicion. Distance in pixels takes exact places too seriously. Shift an edge by one pixel, and every
# pixel along it counts as wrong. Averaging blurs the edge, and forgives the shift.
#
# We can measure that. Slide an image sideways, and measure how far it is from the original. Then divide by its
# distance to the nearest training image, a stranger. At 1, a picture is as far from its own shifted copy as from a stranger.
# Here is one image, with these ratios above it.


# %% alt="One photograph moved by 0 to 4 pixels; the number above it, its distance to itself, climbs quickly."
def slide(images, pixels):
    """Move images to the right; what comes in at the left mirrors their rim."""
    border = (0, 0), (0, 0), (pixels, 0), (0, 0)
    return np.pad(images, border, mode="reflect")[:, :, :32]


def distance_to_itself(images, prepare, train):
    """Distance of slid images to themselves, over that to the nearest stranger."""
    here = as_vectors(prepare(images))
    stranger = pairwise_distances(here, train).min(axis=1)
    slid = [as_vectors(prepare(slide(images, pixels))) for pixels in SHIFTS]
    return np.array([np.linalg.norm(s - here, axis=1) / stranger for s in slid])


one = data.x_val[picked[3:4]]
slid = np.concatenate([slide(one, pixels) for pixels in SHIFTS])
ratios = distance_to_itself(one, np.asarray, train_vectors)[:, 0]
titles = [f"{p} pixels\n{ratio:.2f}" for p, ratio in zip(SHIFTS, ratios, strict=True)]
ax = plot_images(slid, titles, columns=len(SHIFTS), data_name=data.name)

# %% [markdown]
# You hardly see the difference; the distance does. Now the same for many images, as they are and as tiny copies.

# %% alt="Two rising curves: with each pixel moved, sharp images soon pass the dashed line of a stranger; tiny copies follow more slowly."
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
kinds = {"32 × 32": (np.asarray, train_vectors), "8 × 8": (shrink, tiny_train)}
for name, (prepare, train) in kinds.items():
    ratios = distance_to_itself(data.x_val[:SHIFTED_IMAGES], prepare, train)
    curve = np.median(ratios, axis=1)
    ax.plot(SHIFTS, curve, "o-")
    ax.annotate(name, (1, curve[1]), (8, -4), textcoords="offset points")
ax.axhline(1, color="0.6", ls="--")
ax.text(0, 1.03, "as far as the nearest stranger", color="0.4")
ax.set(xlabel="moved to the right (pixels)", xticks=SHIFTS)
ax.set_ylabel("distance to itself\n÷ distance to a stranger")
label_source(ax, data.name)

# %% [markdown]
# A single pixel takes the sharp picture half of the way to a stranger, and a few pixels make it one. The tiny copy
# follows more slowly. So this fits the suspicion. What hurts here seems to be that things move, not that detail is missing.

# %% [markdown]
# ## 8 What does a linear model see?
#
# Here is a classifier that learns. *Logistic regression* has a table of weights for each class, with one weight for each
# pixel and colour. It multiplies each number of the image by its weight and adds everything up. The class with the
# largest sum wins. Such a model is called *linear*, since it only multiplies and adds. Training chooses the weights; a
# small `C` keeps them small, and `tol` and `max_iter` say when to stop.

# %%
regression = LogisticRegression(C=1e-4, max_iter=200, tol=1e-2)
regression.fit(train_vectors, data.y_train)
logistic = accuracy_interval(data.y_val, regression.predict(val_vectors))
print(f"validation images: {logistic}")
print(f"training images:   {regression.score(train_vectors, data.y_train):.1%}")

# %% [markdown]
# Even on the images that it was trained on, it scores barely more. It has not learned them by heart. One
# table for each class, and small weights, leave little room for that. What is in these tables? They have the shape of an image, so we can look at them.

# %% alt="Ten templates of coloured smudges on grey, one for each class."
weights = regression.coef_.reshape(10, 32, 32, 3)
scale = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
ax = plot_images(0.5 + 0.5 * weights / scale, CLASS_NAMES, data_name=data.name)

# %% [markdown]
# Each is a *template*, to be laid over an image. Grey counts for nothing. Where a template is blue, blue in the image
# speaks for the class; where it is dark, darkness does. The ship asks for blue at its rim, the frog for something green
# in the middle, the deer for something reddish with green all around.
#
# But one template has to serve for all poses at once. Move the frog into a corner, and it no longer fits. So here is a
# wish: **a detector that knows a wheel, an ear or a wing wherever it is.** Notebook 02 builds one.

# %% [markdown]
# ## 9 Are the test images new?
#
# A test set stands for images that the model has never seen. CIFAR-10 was collected from the web, where pictures are
# copied. We now open the test set, and look for the closest relative of each test image among the training images.
# Brightness and contrast should not matter. So we bring each image to zero mean and unit length. The dot product of two
# such rows is their *correlation*. It is 1 if the images differ only in brightness and contrast.


# %%
def as_unit_vectors(images):
    """Zero mean and unit length, one row per image: float32, shape (n, 3072)."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)

# %% [markdown]
# For each test image we want the training image that correlates most. All pairs at once would need too much memory, so we
# take the test images in blocks.

# %%
train_units = as_unit_vectors(data.x_train)
blocks = np.array_split(as_unit_vectors(x_test), max(1, len(x_test) // 500))
found = []
for block in blocks:
    products = block @ train_units.T
    found.append((products.argmax(axis=1), products.max(axis=1)))
closest, correlation = (np.concatenate(part) for part in zip(*found, strict=True))
alike = correlation > ALIKE
print(f"correlation above {ALIKE}: {alike.sum()} of {len(x_test):,} test images")

# %% alt="A histogram of correlations: a wide hill, and a thin tail that reaches beyond the line for nearly the same."
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist(correlation, bins=60, color="tab:blue")
ax.axvline(ALIKE, color="black", linestyle="--", label="nearly the same")
ax.set(xlabel="correlation with the closest training image", ylabel="test images")
ax.set_yscale("log")  # so that single images can be seen
ax.legend()
label_source(ax, data.name)

# %% [markdown]
# For most test images the closest relative is somewhere in the middle: a similar layout, not the same picture. But a few
# look-alikes could lie beyond the line by chance, so the count alone proves nothing. We have to look: first at the
# closest pairs, then at the pairs just above the line.


# %%
def show_pairs(rows):
    """Test images above, the closest training image of each below."""
    pairs = np.concatenate([x_test[rows], data.x_train[closest[rows]]])
    titles = [f"test\n{CLASS_NAMES[y_test[i]]}" for i in rows]
    titles += [f"training\n{CLASS_NAMES[data.y_train[closest[i]]]}" for i in rows]
    return plot_images(pairs, titles, columns=len(rows), data_name=data.name)


# %% alt="Ten test images, and below each a training image that shows the same photograph."
order = np.argsort(-correlation)
ax = show_pairs(order[:PAIRS])

# %% [markdown]
# These are the same photographs, on both sides of the split. Some are brighter, some have another tint.
# (Some are there more than twice.)

# %% alt="Ten test images, and below each a training image that is the same photograph or only looks like it."
last = max(PAIRS, alike.sum())
ax = show_pairs(order[last - PAIRS : last])

# %% [markdown]
# Go through these pairs one by one. Which are the same photograph, and which are only alike by chance? Some
# can't be decided from the pixels. But even here, close to the line, you will find copies. So there are probably more of
# them below it.

# %%
if alike.any():
    same = np.mean(data.y_train[closest[alike]] == y_test[alike])
    print(f"{alike.mean():.1%} of the test images; {same:.0%} with the same label")
else:
    print("no such pair among these images")

# %% [markdown]
# That was the second of our three. (And where two copies of one photograph have two labels, at least one label is wrong.)
# A careful search, which also finds crops and shifts, finds copies of about 3 % of the test set [4]. So accuracies on
# CIFAR-10 are a little too high. Comparing two models is usually safer, because the copies help both.
#
# And the third? This is one of the test images. **What would you call it?**

# %% alt="A bright green frog, whose official label is cat."
label = CLASS_NAMES[y_test[STRANGE]]
_, ax = plt.subplots(figsize=(2.2, 2.5))
ax = plot_images(x_test[[STRANGE]], [f"label: {label}"], data_name=data.name, ax=ax)

# %% [markdown]
# The official label is *cat*. In an experiment with people, about fifty were asked, and every one of them said *frog* [3]. A
# network that is right about this picture loses a point.

# %% [markdown]
# ## 10 How well do people do?
#
# In that experiment, some 2,500 people labelled the test images, about fifty people for each image [3]. Here is everything on
# one scale. Blue bars are guessing, and our own results on the validation images. Grey bars are published results on the
# test images. The last one takes the most frequent answer of all who were asked.

# %% alt="Bars from a guess over neighbours and a linear model to a network and people, far beyond them."
rows = {
    "guess": 0.1,
    "nearest neighbour, 32 × 32": sharp.accuracy,
    "nearest neighbour, 8 × 8": tiny.accuracy,
    "linear model": logistic.accuracy,
    "a network, trained in seconds on a GPU [2]": 0.94,
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
# The wide gap between blue and grey is what this series is about. The last bar marks a sensible limit. Where most
# people disagree with the label, the label is wrong or the picture is not clear. To match such a label is not to see
# better.

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
# **3.** The nearest neighbour is always right on its own training images. Does that make it a
# good classifier?
#
# <details><summary>Answer</summary>No. Each training image is its own nearest
# neighbour, at distance 0. Only images that were not used tell how good a classifier
# is.</details>

# %% [markdown]
# ## How far to trust this
#
# > The methods here give practically the same result every time. The intervals only show how much a result depends on which
# > images happen to be in the validation set. We did not tune the settings of logistic regression. Our search for copies looks through our training images only, without the validation
# > images. It does not recognise crops or shifts, and
# > where it draws the line is our choice. We saw that blur helps nearest neighbours in pixels; other methods may not
# > gain. The published figures were measured on other images than ours.

# %% [markdown]
# ## Three takeaways
#
# * Look before you train. Labels can be wrong, copies sit on both sides of the split, and a number that everybody copies can
#   be wrong.
# * Distance in pixels sees layout, not objects. That is probably why a blurred picture can beat a sharp one.
# * The simple methods here get two images in five right at best, and people nearly all. The next notebooks close this gap.
#
# In the next notebook you build a small network that looks for the same things everywhere, and it leaves the linear model
# far behind.

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
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
# neighbours, nearest first, one row per image, return the most frequent label of each row. If there is
# a tie, take the tied label whose neighbour is nearest. (When it works, use it: `kneighbors` of scikit-learn's
# `NearestNeighbors` finds the k nearest of the tiny images. Which k is best?)


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
some, right = data.x_val[:500], data.y_val[:500]


def judge_labels(labels):
    if np.shape(labels) != right.shape:
        return f"the shape should be {right.shape}, not {np.shape(labels)}"
    # With few training images, as in a quick test of this notebook, a third is a lot.
    goal = 0.5 if len(data.x_train) > 10_000 else 0.33
    accuracy = np.mean(labels == right)
    return None if accuracy > goal else f"{accuracy:.1%} are right"


hint = "Describe each block by how strong its edges are in each direction."
check_answer(3, classify, [((some,), judge_labels)], hint)

# %% [markdown]
# ## References
#
# 1. A. Krizhevsky, [Learning Multiple Layers of Features from Tiny Images](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf), 2009.
# 2. K. Jordan, [94 % on CIFAR-10 in 3.29 Seconds on a Single GPU](https://arxiv.org/abs/2404.00498), 2024.
# 3. J. Peterson et al., [Human Uncertainty Makes Classification More Robust](https://arxiv.org/abs/1908.07086), 2019 (CIFAR-10H).
# 4. B. Barz and J. Denzler, [Do We Train on Test Data? Purging CIFAR of Near-Duplicates](https://arxiv.org/abs/1902.00423), 2020 (ciFAIR).
#
# **Next:** [02 · A baseline CNN](02_baseline_cnn.ipynb)
