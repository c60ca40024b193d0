# %% [markdown]
# # 03 · Data augmentation
#
# **A network names every one of its 2,000 training photographs correctly, and gets half of all
# new ones wrong. It has not learnt to see. It has learnt its album by heart. You can't
# afford more photographs. So make some.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/03_data_augmentation.ipynb)
#
# **You will learn** to recognise a network that learns by heart, to make new training images out
# of old ones without spoiling their labels, to measure what each such trick is worth, and to
# avoid two mistakes that are easily made.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb): you should know what an epoch, a
# batch, a convolution, a dense layer, dropout and logits are.
#
# **Runtime** about 15 minutes on two processor cores, much of it for the trainings of
# sections 4 and 6, during which you may read on. A GPU shortens it.

# %% [markdown]
# ## Setup
#
# One folded cell installs the series' helper package on Colab and imports what we need. Its output is one line: what this
# notebook runs on.

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-input"]
# @title Setup: install on Colab, import
import sys

if "google.colab" in sys.modules:
    from subprocess import check_call

    repository = "https://github.com/cifar10-keras-notebooks/cifar10-keras-notebooks"
    package = f"git+{repository}@v0.2.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])

from cifar_utils.notebook import start

start(seed=0)

from dataclasses import replace

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter
from sklearn.datasets import load_digits

from cifar_utils import evaluation
from cifar_utils.augmentation import PadCropFlip, build_augmentation
from cifar_utils.data import CLASS_NAMES, load_cifar10, load_cifar10_test
from cifar_utils.models import build_model
from cifar_utils.notebook import check_answer
from cifar_utils.plotting import label_source, plot_images
from cifar_utils.training import RECIPES, Recipe, train

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.45"

# %% [markdown]
# ## Settings
#
# This cell holds everything that you may want to change. We keep only 2,000 of CIFAR-10's training images. They are so few
# that learning by heart is easy, and that this notebook stays short.

# %% tags=["parameters"]
SEED = 0
IMAGES = 2_000  # to train with
VAL_SIZE = 2_000
TEST_LIMIT = None  # test images; None for all
STORY_EPOCHS = 20
BUDGETS = (4, 8, 16)  # epochs of the trainings in section 4
BUDGET_SEEDS = (0, 1, 2)
ABLATION_EPOCHS = 10
ABLATION_SEEDS = (0, 1, 2, 3, 4)
ATTEMPTS = 10  # at judging on transformed images
TO_BEAT = 0.65  # validation accuracy, in exercise 3

# %% [markdown]
# ## 1 A network that learns by heart
#
# First, our album of photographs, and as many others to examine the network with:

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=IMAGES)
print(f"{len(data.x_train):,} training and {len(data.x_val):,} validation images")
print("these are:", data.name)

# %% [markdown]
# Take the six convolutions of a small network, and put a large head on them: a dense layer of
# 1,024 units, one of 100, then the ten logits [1]. Where do its weights sit?

# %% tags=["nbval-check-output"]
network = build_model("dense_head_cnn")
parts = {"convolutions": 0, "head": 0}
for layer in network.layers:
    part = "head" if layer.name.startswith(("head", "logits")) else "convolutions"
    parts[part] += layer.count_params()
for part, count in parts.items():
    print(f"{part}: {count:,} parameters, {count / network.count_params():.0%}")

# %% [markdown]
# Most of them in the head. That makes more than a thousand numbers for every photograph in our
# album: room enough, perhaps, to remember the answer to each. Will the network do it?
#
# `train` takes a *recipe*, one object that holds every choice of a training. We start from the
# one for this network and change a few of its choices (`replace` makes the copy). The learning rate falls along a cosine, and
# normalisation has a short memory, both as in notebook 02. Dropout is off, so that nothing else gets in the way of the
# story.

# %%
OPTIONS = {"dropout": (0.0, 0.0, 0.0, 0.0), "bn_momentum": 0.9}
changes = {"batch_size": 64, "epochs": STORY_EPOCHS, "schedule": "cosine"}
part_one = replace(RECIPES["dense_head_cnn"], **changes, model_options=OPTIONS)
plain = train(part_one, data, seed=SEED, verbose=0)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def in_percent(axis):
    """Percent on an axis of a plot, and no frame around it."""
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.axes.spines[["top", "right"]].set_visible(False)


def draw_gap(ax, history, title):
    """Training and validation accuracy by epoch, and the gap between them."""
    epochs = np.arange(1, len(history["accuracy"]) + 1)
    lines = {"training": ("accuracy", BLUE), "validation": ("val_accuracy", ORANGE)}
    for name, (key, colour) in lines.items():
        ax.plot(epochs, history[key], color=colour, lw=2)
        place = epochs[-1] + 0.3, history[key][-1]
        ax.annotate(name, place, color=colour, va="center", annotation_clip=False)
    ends = history["val_accuracy"], history["accuracy"]
    ax.fill_between(epochs, *ends, color=GREY, alpha=0.15, lw=0)
    gap, where = ends[1][-1] - ends[0][-1], 3 * len(epochs) // 4
    place = epochs[where], np.mean(ends, axis=0)[where]
    ax.text(*place, f"gap\n{100 * gap:.0f} points", ha="center", va="center")
    ax.set(title=title, xlabel="epoch", ylabel="accuracy", ylim=(0, 1.05))
    in_percent(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_source(ax, data.name)


# %% alt="Training accuracy climbs to 100 %, validation accuracy stays at about half; the gap between them is shaded."
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
draw_gap(ax, plain.history, f"{IMAGES:,} photographs ({data.name})")

# %% [markdown]
# The blue line is the accuracy on the photographs it trains with. It climbs to 100 % and stays
# there: the album is known by heart. The orange line is the accuracy on photographs the
# network has never seen. It stops at about half, and the epochs after that add nothing. This is **overfitting**: getting
# better on your own images and no better on any others. The shaded distance between the lines is
# called the **generalisation gap**.
#
# Is "by heart" more than a figure of speech? Let us test it the way you would test a pupil: ask
# the same thing, slightly differently. To you, a car in the mirror is the same car. So we show
# the network its *own* training photographs, once moved by four pixels, and once mirrored. **Before
# you run the cell:** it knows every one of them. How many will it still get right?


# %%
def accuracy(model, images, labels):
    """Share of the images that the model names correctly."""
    probabilities = evaluation.predict_probabilities(model, images)
    return np.mean(probabilities.argmax(axis=1) == labels)


def exam(model):
    """The model's accuracy on its own photographs, also changed, and on new ones."""
    border = (0, 0), (0, 0), (4, 0), (0, 0)
    moved = np.pad(data.x_train, border, mode="reflect")[:, :, :32]
    return {
        "its own photographs": accuracy(model, data.x_train, data.y_train),
        "… moved by 4 pixels": accuracy(model, moved, data.y_train),
        "… mirrored": accuracy(model, data.x_train[:, :, ::-1], data.y_train),
        "new photographs": accuracy(model, data.x_val, data.y_val),
    }


# %% alt="Bars of right answers: nearly all on its own photographs, far fewer when these are moved or mirrored, fewest on new ones."
plain_exam = exam(plain.model)
fig, ax = plt.subplots(figsize=(6, 2), layout="constrained")
bars = ax.barh(*zip(*plain_exam.items(), strict=True), color=3 * [BLUE] + [ORANGE])
ax.bar_label(bars, fmt=lambda share: f" {share:.0%}")
ax.set(xlim=(0, 1.1), xlabel="right answers")
in_percent(ax.xaxis)
ax.invert_yaxis()
label_source(ax, data.name)

# %% [markdown]
# Caught. It is still better on its own photographs than on new ones, but a mirror, and even a
# push of four pixels, costs it a good part of what it "knew". It has stored not so much what a car looks
# like as what *these* cars look like, pixel by pixel.
#
# It gets worse. Let us deal out the labels at random: this frog is now a ship, that ship a
# deer. There is nothing to learn any more. **Before you run the cell:** what will the training
# accuracy be after the same 20 epochs?

# %% alt="Twenty photographs, each with a nonsense name above it, of which the network is very sure."
shuffled = np.random.default_rng(SEED).permutation(data.y_train)
nonsense = train(part_one, replace(data, y_train=shuffled), seed=SEED, verbose=0)
probabilities = evaluation.predict_probabilities(nonsense.model, data.x_train[:20])
titles = [f"{CLASS_NAMES[p.argmax()]}\n{p.max():.0%}" for p in probabilities]
ax = plot_images(data.x_train[:20], titles, data_name=data.name)
print(f"right, by the labels we dealt out: {nonsense.history['accuracy'][-1]:.0%}")
print(f"right, on new photographs: {nonsense.history['val_accuracy'][-1]:.0%}")

# %% [markdown]
# Above each photograph stands what the network now calls it, and how sure it is. It has
# swallowed the nonsense, with confidence. No rule connects these pictures to these names,
# so each must have been stored by itself. This experiment is famous [2], and its lesson is
# worth keeping: **a training accuracy of 100 % proves nothing.** The network takes
# whichever way is easiest, and with few photographs, learning by heart is easy. So let us make it
# hard.

# %% [markdown]
# ## 2 Photographs that could have been
#
# A car seen from the left is still a car when seen from the right. So whenever the network asks
# for a photograph, we can hand it a version: mirrored, moved, tilted, and another one each time.
# This is **data augmentation**. It has a single law: the right answer must stay the same. Such a
# transform is called **label-preserving**.
#
# Two transforms are standard on CIFAR-10, and each takes only a few lines of NumPy. Flip: read
# the columns from right to left. Padded crop: make the picture larger by continuing
# it beyond its borders, as in a mirror, then cut a window of the old size out of it, anywhere.


# %%
def flip(image, rng):
    return image[:, ::-1] if rng.random() < 0.5 else image


def padded_crop(image, padding, rng):
    border = (padding, padding), (padding, padding), (0, 0)
    padded = np.pad(image, border, mode="reflect")
    top, left = rng.integers(0, 2 * padding + 1, size=2)
    return padded[top : top + 32, left : left + 32]


# %%
def example(name, which):
    """One training photograph of a class."""
    return data.x_train[data.y_train == CLASS_NAMES.index(name)][which]


# %% alt="A car, the same picture padded by its mirror image with a window in it, and what is in the window." jupyter={"source_hidden": true} tags=["hide-input"]
car, top, left = example("automobile", 10), 1, 7
padded = np.pad(car, ((4, 4), (4, 4), (0, 0)), mode="reflect")
window = padded[top : top + 32, left : left + 32]
panels = {
    "the photograph": car,
    "padded, with a window": padded,
    "what we cut out": window,
}
options = {"layout": "constrained", "width_ratios": [32, 40, 32]}
fig, axes = plt.subplots(1, 3, figsize=(7, 2.5), **options)
for ax, (title, image) in zip(axes, panels.items(), strict=True):
    ax.imshow(image)
    ax.set(title=title)
    ax.axis("off")
frame = {"fill": False, "lw": 3}
axes[1].add_patch(plt.Rectangle((3.5, 3.5), 32, 32, ec="white", ls=":", **frame))
axes[1].add_patch(plt.Rectangle((left - 0.5, top - 0.5), 32, 32, ec=ORANGE, **frame))
label_source(axes[2], data.name)

# %% [markdown]
# (A folded cell took a red car and padded it.) The dotted frame is where the photograph was, the orange one where our window
# fell. Draw a new
# window each time, toss a coin for the flip, and you get:

# %% alt="A car and nine versions of it, moved and mirrored."
rng = np.random.default_rng(SEED)
versions = [flip(padded_crop(car, 4, rng), rng) for _ in range(9)]
titles = ["the photograph"] + [""] * 9
ax = plot_images(np.stack([car, *versions]), titles, data_name=data.name)

# %% [markdown]
# One car has become a small fleet. Nobody would call any of these anything but a car, yet to the
# network each is another set of numbers. With four pixels of padding, a window has nine places up and
# down and nine across, and each comes in two directions: 162 photographs out of one.
#
# A network wants whole batches, quickly. The package's `PadCropFlip` does the same as our two
# functions, as a Keras layer. The same? Let us see whether everything it makes is a picture that
# we could have made by hand:

# %% tags=["nbval-check-output"]
places = [(top, left) for top in range(9) for left in range(9)]
ours = {padded[y : y + 32, x : x + 32].tobytes() for y, x in places}
batch = np.repeat(car[None], 200, axis=0)
made = np.asarray(PadCropFlip(4, flip="none", seed=SEED)(batch, training=True))
print(sum(picture.tobytes() in ours for picture in made), "of", len(made))

# %% [markdown]
# Every one. (We left out the flip here.) Keras has layers for more transforms, and `build_augmentation` chains them. Each has
# a name and an amount; a flip needs none. From here on we use these, because we also want to tilt. Before training with
# a transform, always look at what it does:

# %% alt="Four rows of cars: flipped, shifted, tilted, and all three."
TRANSFORMS = {
    "flip": [("flip", 0)],
    "shift": [("shift", 0.1)],  # by up to a tenth of the picture
    "rotation": [("rotation", 15)],  # by up to 15 degrees
    "all three": [("flip", 0), ("shift", 0.1), ("rotation", 15)],
}
rows, titles = [], []
for name, transforms in TRANSFORMS.items():
    layer = build_augmentation(transforms, seed=SEED)
    rows.append(np.asarray(layer(batch[:8], training=True)) / 255)
    titles += [name] + [""] * 7
rows = np.concatenate(rows).clip(0, 1)
ax = plot_images(rows, titles, columns=8, data_name=data.name)

# %% [markdown]
# Look at the borders. A shifted or tilted photograph leaves a gap, and here it is filled by
# stretching the outermost pixels. Look at the sharpness, too: a shift by half a pixel has to
# mix neighbours, so the picture blurs. Our padded crop moves by whole pixels and stays sharp.
#
# Which transforms are *wrong* depends on the data. Below are a truck, a frog and two digits: as
# they are, mirrored, upside down, and turned by half a circle. **Before you run the cell:**
# which of the twelve changed pictures would you not give to a network under its old label?

# %% alt="A truck, a frog, and the digits six and two: as they are, mirrored, upside down, and turned by half a circle."
digits = load_digits().images[[67, 50]] / 16
pictures = [example("truck", 5) / 255, example("frog", 0) / 255]
pictures += [np.dstack(3 * [np.kron(digit, np.ones((4, 4)))]) for digit in digits]
changed = [p[::i, ::j] for p in pictures for i in (1, -1) for j in (1, -1)]
names = 4 * ["as it is", "mirrored", "upside down", "half a turn"]
source = f"{data.name}, and scikit-learn's digits"
ax = plot_images(np.stack(changed), names, columns=8, data_name=source)

# %% [markdown]
# Mirrored, the truck is still a truck; only lettering would give it away. Upside down it is an accident: still a truck, but
# one that you will hardly meet in a photograph, so training on it wastes steps. The frog was photographed from above and
# looks fine either way up. And the digits forbid almost everything. A six turned by half a circle is a nine, and a
# mirrored two could pass for a five; only the two survives half a turn. No table can tell you which transforms are safe.
# Only knowing your data can.

# %% [markdown]
# ## 3 The same network, with augmentation
#
# Now the remedy. The same network, the same 2,000 photographs, the same number of steps; but each
# time a photograph is used, it is flipped, shifted and tilted at random. The transforms
# are layers in front of the network that act only while it trains: validation photographs are
# shown as they are.
#
# **Before you run the cell:** will the *training* accuracy be higher or lower than before?

# %% alt="Learning curves without augmentation, with a wide gap, and with it, with a narrow one and a higher validation curve."
part_two = replace(part_one, augmentation=tuple(TRANSFORMS["all three"]))
augmented = train(part_two, data, seed=SEED, verbose=0)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
draw_gap(axes[0], plain.history, f"without augmentation ({data.name})")
draw_gap(axes[1], augmented.history, f"with augmentation ({data.name})")

# %% [markdown]
# The gap has shrunk from both ends. The orange line ends higher: the network knows more about
# photographs it has never seen. And the blue line ends *lower*, which looks like bad news and is
# the point. There are two reasons. The network never meets the same picture twice, so it can't
# simply store it. And the blue line is now measured on pictures that are harder than the
# originals: tilted, pushed to the side, blurred. **A lower training accuracy does not mean
# a worse network.**
#
# Give it the exam of section 1, and you see what it has learnt instead:

# %% alt="Bars of right answers of both networks: the second knows its own photographs less well, and new ones better."
augmented_exam = exam(augmented.model)
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
exams = {"without": (plain_exam, GREY), "with augmentation": (augmented_exam, BLUE)}
for i, (name, (shares, colour)) in enumerate(exams.items()):
    places = np.arange(len(shares)) + 0.4 * i
    bars = ax.barh(places, list(shares.values()), 0.38, color=colour)
    ax.bar_label(bars, fmt=lambda share: f" {share:.0%}")
    ax.text(0.01, places[0], name, color="white", va="center")
ax.set(xlim=(0, 1.1), yticks=np.arange(4) + 0.2, yticklabels=plain_exam)
ax.set_xlabel("right answers")
in_percent(ax.xaxis)
ax.invert_yaxis()
label_source(ax, data.name)

# %% [markdown]
# Compare each bar with the topmost of its colour, and you see what a change costs. A mirror costs the first network a
# large part of its album, and the second one next to nothing: it was never allowed to rely on left and right. Being moved
# costs the second one less, too, though four pixels are more than any shift that it met. And that is what helps with new
# photographs, which show the same things a little differently.

# %% [markdown]
# ## 4 Why it sometimes makes things worse
#
# Augmentation has a price. The task has become harder, so the network needs longer to get
# anywhere. Stop too early, and you have paid and got nothing. To see it, we train a smaller
# network, notebook 02's `valid_cnn`, for four, eight and sixteen epochs, with the three transforms and without.
# Each of these is a training of its own, whose learning rate falls to zero at its end: what you
# would do if that were all the time you had. And since one training could be luck, each is repeated
# with three *seeds*: other initial weights, another order of the photographs, other random
# transforms.
#
# **Before you run the cell:** who is ahead after four epochs, and who after sixteen?


# %%
small = replace(
    RECIPES["valid_cnn"], schedule="cosine", learning_rate=2e-3, model_options=OPTIONS
)


def validated(recipe, seeds):
    """Validation accuracies of finished trainings, one for each seed."""
    photographs = data.x_train, data.y_train
    runs = [train(recipe, photographs, seed=seed, verbose=0) for seed in seeds]
    return np.array([accuracy(run.model, data.x_val, data.y_val) for run in runs])


# %%
contest = {"without": (), "with augmentation": part_two.augmentation}
ends = {name: [] for name in contest}
for name, augmentation in contest.items():
    for budget in BUDGETS:
        recipe = replace(small, epochs=budget, augmentation=augmentation)
        ends[name].append(validated(recipe, BUDGET_SEEDS))

# %% alt="Accuracy against the number of epochs: the line with augmentation starts below the other and ends above it."
fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for (name, seeds), colour in zip(ends.items(), (GREY, BLUE), strict=True):
    band = np.min(seeds, axis=1), np.max(seeds, axis=1)
    ax.fill_between(BUDGETS, *band, color=colour, alpha=0.2, lw=0)
    mean = np.mean(seeds, axis=1)
    ax.plot(BUDGETS, mean, "o-", color=colour, lw=2)
    place = 1.03 * BUDGETS[-1], mean[-1]
    ax.annotate(name, place, color=colour, va="center", annotation_clip=False)
ax.set(xscale="log", xticks=BUDGETS, xticklabels=BUDGETS)
ax.minorticks_off()
ax.set(xlabel="epochs of the training", ylabel="validation accuracy")
ax.yaxis.set_major_locator(MultipleLocator(0.05))
in_percent(ax.yaxis)
label_source(ax, data.name)

# %% [markdown]
# Each step to the right doubles the epochs. The lines are means, the bands reach from the worst
# seed to the best. In the short trainings augmentation *loses*, in the shortest one clearly: the plain
# network has learnt what can be learnt quickly, while the other is still busy with mirrors and tilts. Then the plain
# network probably knows its album, and its line flattens. The other goes on rising, and crosses it.
#
# What follows: **strong augmentation needs longer training.** The plain network has little to gain from more epochs; the
# augmented one has a lot. So give it those epochs, or use milder transforms.

# %% [markdown]
# ## 5 Two stranger transforms: cutout and mixup
#
# **Cutout** [3] covers a square of the photograph with grey, somewhere else each time. Why would
# anybody do that? A network that recognises a horse by its head alone fails when the head is
# hidden. Cover the head now and then, and it has to learn about legs and tails as well.

# %% alt="Ten photographs, each with a grey square somewhere."
cutout = build_augmentation([("cutout", 0.5)], seed=SEED)
horses = np.repeat(example("horse", 4)[None], 10, axis=0)
covered = np.asarray(cutout(horses, training=True)) / 255
ax = plot_images(covered.clip(0, 1), data_name=data.name)

# %% [markdown]
# **Mixup** [4] breaks our law openly: it lays two photographs over each other, like a double
# exposure, and blends their labels in the same shares, $\lambda$ of the one and $1 - \lambda$ of the other:
#
# $$ x = \lambda \, x_1 + (1 - \lambda) \, x_2, \qquad y = \lambda \, y_1 + (1 - \lambda) \, y_2 $$
#
# Here $x_1$ and $x_2$ are the photographs, and $y_1$ and $y_2$ their labels as ten numbers, a one and nine zeros.

# %% alt="A cat, a truck, a blend of both, and the label of the blend: mostly the one, partly the other."
share = 0.7
first, second = example("cat", 14) / 255, example("truck", 2) / 255
blend = share * first + (1 - share) * second
one_hot = np.eye(10)
label = share * one_hot[3] + (1 - share) * one_hot[9]

fig, axes = plt.subplots(1, 4, figsize=(9, 2.4), layout="constrained")
panels = {"cat": first, "truck": second, "70 % cat, 30 % truck": blend}
for ax, (title, image) in zip(axes[:3], panels.items(), strict=True):
    ax.imshow(image)
    ax.set(title=title, xticks=[], yticks=[])
axes[3].barh(CLASS_NAMES, label, color=BLUE)
axes[3].set(title="its label", xlim=(0, 1))
in_percent(axes[3].xaxis)
axes[3].invert_yaxis()
label_source(axes[3], data.name)

# %% [markdown]
# No such animal exists. Still, the demand is sensible: as the cat fades into the truck, the
# network should change its mind gradually, not jump. And a blend of two out of 2,000 photographs
# drawn at random hardly ever comes twice, so there is little to learn by heart.

# %% [markdown]
# ## 6 What is each transform worth?
#
# To find out, train with one transform at a time and compare with none. Such a comparison is
# called an *ablation*. How many trainings does each transform need? The same recipe with another
# seed ends a point or two higher or lower. A single training with flips against a single one
# without is one throw of the dice against another. So we train with five seeds, and compare
# seed by seed.
#
# From five gains, one a seed, we compute their mean and a **95 % interval**. Imagine the true gain, the average over infinitely
# many seeds. Of a hundred experiments like ours, about 95 would give an interval that contains it. An interval that lies wholly to the right of zero speaks for
# the transform. Five seeds make wide intervals. That is no fault of the picture; it is how little
# five runs know.
#
# Thirty trainings have to be short, so they have ten epochs, which by section 4 favours mild transforms. Cutout's square
# covers a quarter of the photograph. Mixup draws its shares anew for each pair, mostly uneven ones (0.2 sets how uneven).
# **Before you run the cell:** which of the five will help?

# %%
none = replace(small, epochs=ABLATION_EPOCHS)
variants = {"none": none}
for name in ("flip", "shift", "rotation"):
    variants[name] = replace(none, augmentation=tuple(TRANSFORMS[name]))
variants["cutout"] = replace(none, augmentation=(("cutout", 0.5),))
variants["mixup"] = replace(none, mixup=0.2)
finals = {name: validated(recipe, ABLATION_SEEDS) for name, recipe in variants.items()}

# %% alt="The gain of each transform with its interval: flips clearly above zero, cutout and mixup below."
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for row, name in enumerate(list(variants)[1:]):
    gains = 100 * (finals[name] - finals["none"])
    mean, reach, _ = evaluation.mean_interval(gains)
    ax.errorbar(mean, row, xerr=reach, fmt="o", color=BLUE, lw=3, ms=8)
    ax.plot(gains, np.full(len(gains), row + 0.22), "o", color=GREY, ms=3)
ax.axvline(0, color="black", lw=1)
ax.set(xlabel="gain in validation accuracy (points)", yticks=range(5))
ax.set(yticklabels=list(variants)[1:], ylim=(4.6, -0.5))
label_source(ax, data.name)

# %% [markdown]
# The small dots are the five seeds, the large one is their mean, the bar is the interval. Only
# flips clearly help. Shifts probably do. For rotation we would need more seeds, and that is worth
# remembering, because many ablations rest on a single one. Look at the dots to see what a single seed could have told you.
#
# And cutout and mixup? They end on the losing side. We suspect that they make the task hardest of all, and that ten epochs are
# too few to earn that back: section 4 again.
#
# One more reason for caution: each interval misses the truth once in twenty times. That at least one of five misses it
# happens about once in five. The more transforms you try, the less you should be impressed by the winner.

# %% [markdown]
# ## 7 Trap one: augmented validation photographs
#
# Put the transforms into the function that prepares *all* batches, and the photographs that judge
# the network are flipped, shifted and tilted, too. Nothing warns you. **Before you run the
# cell:** we judge each of our two networks ten times like this. What will each one's ten scores look
# like?

# %% alt="Ten scattered dots for each network, judged on transformed images, all below the accuracy on images as they are."
layer = build_augmentation(TRANSFORMS["all three"], seed=SEED)
networks = {"trained with them": augmented.model, "trained without": plain.model}
scores = {name: [] for name in networks}
for _ in range(ATTEMPTS):
    transformed = np.asarray(layer(data.x_val, training=True))
    for name, model in networks.items():
        scores[name].append(accuracy(model, transformed, data.y_val))

fig, ax = plt.subplots(figsize=(7, 2.2), layout="constrained")
for row, (name, model) in enumerate(networks.items()):
    clean = accuracy(model, data.x_val, data.y_val)
    ax.plot(scores[name], np.full(ATTEMPTS, row), "o", color=ORANGE, ms=8, alpha=0.6)
    ax.plot(clean, row, "|", color=BLUE, ms=30, mew=3)
    ax.text(clean + 0.005, row, "as they are", color=BLUE, va="center")
    ax.text(np.mean(scores[name]), row - 0.3, "transformed", color=ORANGE, ha="center")
ax.set(xlabel="validation accuracy", yticks=range(2), yticklabels=networks)
ax.set_ylim(1.5, -0.7)
ax.margins(x=0.15)
ax.xaxis.set_major_locator(MultipleLocator(0.05))
in_percent(ax.xaxis)
label_source(ax, data.name)

# %% [markdown]
# All dots of a row come from the same network; only the random transforms differ. Each dot is too low,
# and each is somewhere else. This noise now enters every comparison, and every choice of the
# "best" epoch. And it is unfair: the network that has never met such pictures loses more.
#
# The rule: random transforms belong to training alone. Keras' random layers keep to it by
# themselves, as long as nobody calls them with `training=True` or puts them into the validation
# pipeline.

# %% [markdown]
# ## 8 Trap two: a crop that does nothing
#
# The padded crop of section 2 has two steps. Keras has a layer called `RandomCrop`, which
# makes it easy to forget the first. **Before you run the cell:** how many of 200 photographs
# will `RandomCrop(32, 32)` change?

# %% tags=["nbval-check-output"]
x = data.x_train[:200]
crop = keras.layers.RandomCrop(32, 32, seed=SEED)
cropped = np.asarray(crop(x, training=True))
print("photographs changed:", (cropped != x).any(axis=(1, 2, 3)).sum())

# %% [markdown]
# None. A window of 32 × 32 has only one place in a picture of that size. With padding before it,
# it has 81. And there is a second surprise, which is easily missed in a grid of *different* photographs. So we feed both layers,
# padding before `RandomCrop`, 200 identical "maps": pictures in which each pixel's colour is its own row and column. After the crop, the pixel in the middle tells us where it came from.


# %%
def offsets(layer, count=200):
    """How far a layer moves each picture of one batch: rows and columns."""
    places = np.arange(32, dtype="float32")
    rows, columns = np.meshgrid(places, places, indexing="ij")
    one_map = np.stack([rows, columns, 0 * rows], axis=-1)
    moved = layer(np.repeat(one_map[None], count, axis=0), training=True)
    return np.asarray(moved)[:, 16, 16, :2] - 16


pad = keras.layers.ZeroPadding2D(4)
keras_offsets = offsets(keras.Sequential([pad, crop]))
our_offsets = offsets(PadCropFlip(4, flip="none", seed=SEED))

# %% alt="Where a batch of images is moved to: a single dot with Keras' layer, dots all over the square with PadCropFlip."
fig, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained", sharey=True)
panels = {"padding and RandomCrop": keras_offsets, "PadCropFlip": our_offsets}
for ax, (name, moves) in zip(axes, panels.items(), strict=True):
    ax.plot(*moves.T, "o", color=BLUE, ms=8)
    ax.set(title=f"{name}: {len(np.unique(moves, axis=0))} of 81", xlim=(-5, 5))
    ax.set(xlabel="rows moved", ylim=(-5, 5), aspect="equal")
    ax.grid(alpha=0.3)
axes[0].set_ylabel("columns moved")
label_source(axes[1], data.name)

# %% [markdown]
# Each dot is a place where a window fell. Called on a batch, Keras'
# layer draws *one* place for all of them; the pictures move together, like passengers in a bus.
# `PadCropFlip` draws one for each, and they visit most of the places. (In
# `tf.data`, map `RandomCrop` over single images, *before* batching, and each gets its own.)
#
# Both surprises have the same cure: look, and count. A few lines before the training tell you whether
# the transform changes pictures at all, and whether it changes each one differently.

# %% [markdown]
# ## 9 Open the test set, once
#
# All decisions were made on validation photographs. Now the last word on both networks of our
# story, on photographs that have decided nothing.

# %% alt="Ten test photographs with the answers of both networks above them; the second is right."
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
first, second = (
    evaluation.predict_probabilities(m, x_test) for m in (plain.model, augmented.model)
)
first, second = first.argmax(axis=1), second.argmax(axis=1)
for name, y_pred in (("without augmentation", first), ("with augmentation", second)):
    print(f"{name}: {evaluation.accuracy_interval(y_test, y_pred)} on {data.name}")
gained = np.flatnonzero((first != y_test) & (second == y_test))
lost = np.flatnonzero((first == y_test) & (second != y_test))
print(f"photographs gained: {len(gained):,}, lost: {len(lost):,}")

some = np.concatenate([gained, lost])[:10]  # the first ten gained
titles = [f"{CLASS_NAMES[first[i]]}\n→ {CLASS_NAMES[second[i]]}" for i in some]
if len(some):
    ax = plot_images(x_test[some], titles, data_name=data.name)

# %% [markdown]
# The brackets are 95 % intervals again, this time over photographs: what other test sets of this
# size could have given. They don't touch, so the second network is the better one, as the
# validation photographs had said.
#
# Better at everything? No. Look at the counts: for every three photographs gained, about two are lost. (A second training
# without augmentation would also win some and lose some.) Above each of ten gained photographs stands what the first
# network said, and after the arrow what the second says. Augmentation has not added something to the first network. It
# has made another one, with strengths and mistakes of its own.

# %% [markdown]
# ## Check your understanding
#
# **1.** With augmentation, the training accuracy can even end *below* the validation accuracy. Is
# something wrong?
#
# <details><summary>Answer</summary>No. Training accuracy is measured on transformed photographs,
# and during the epoch, while the network is still changing. Validation accuracy is measured on
# photographs as they are, after it. The second task is easier.</details>
#
# **2.** You add rotation to a training of five epochs, and the validation accuracy falls. A
# colleague concludes that rotation is useless for these data. What do you answer?
#
# <details><summary>Answer</summary>That five epochs are too few to say so. Rotation makes the
# task harder before it can pay off. Train both longer, with several seeds, and compare
# again.</details>
#
# **3.** Somebody's network gives different answers to the same validation photographs each time
# it is asked. What do you look for?
#
# <details><summary>Answer</summary>A random layer that is active while the network is judged:
# <code>training=True</code>, or transforms in the input pipeline of the validation photographs.</details>
#
# ## How far to trust this
#
# > * All of it was measured on 2,000 photographs of CIFAR-10. With more of them a network overfits
# >   less, and should gain less by transforms; we didn't try it here.
# > * Sections 1 and 3 show one training each. Each point of section 4 stands for three, each interval of section 6 for
# >   five. These intervals know about seeds; they know nothing of the 2,000 validation photographs, which
# >   would add a point or two of uncertainty.
# > * The ablation is for one small network and 10 epochs. Section 4 says why that matters: rotation, cutout
# >   and mixup could gain in longer trainings. The inventors of the latter two trained for 200 epochs [3, 4].
# > * We didn't tune the amounts, and tried no changes of colour, and no schemes that choose among many transforms by themselves.
# > * On a GPU or another processor the figures differ a little, and the lines of section 4 may cross elsewhere.
#
# ## Three takeaways
#
# 1. A network with enough weights learns any 2,000 photographs by heart, even under nonsense
#    labels. Judge it by photographs that it has never seen.
# 2. Random transforms that keep the label turn one photograph into many. They make the task harder,
#    so the training accuracy falls, and the reward comes late: give it the epochs.
# 3. Look at transformed pictures before you train, count how they change, keep validation photographs as
#    they are, and compare over several seeds.
#
# | transform | what it does | one thing to watch |
# |---|---|---|
# | flip | mirrors left and right | letters and digits |
# | padded crop, shift | moves the picture | whether each picture moves by itself, and at all |
# | rotation | tilts it | blurs, and stretches the border |
# | cutout | covers a square | enough epochs |
# | mixup | blends two pictures and their labels | enough epochs; labels as shares |

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 03](solutions/03_data_augmentation.ipynb). But first, one without code.
#
# **Why?** A convolution doesn't care where things are: move the picture, and its response moves
# along (notebook 02). So why does the network need augmentation by *shifts* at all?
#
# <details><summary>Answer</summary>Because only the convolutions don't care. The head reads the
# last map as one long row of numbers, with separate weights for each place, so a wheel on the
# left and a wheel on the right are different inputs to it. Pooling loses the exact place, but
# only up to a few pixels, and in steps: a shift by one pixel changes what falls into the same
# window. Shifted training photographs teach the head what the convolutions know by
# construction.</details>

# %% [markdown]
# **Exercise 1 ★** More or less light doesn't change the label, either. Write
# `brighten(images, amounts)`: add `amounts[i]` levels to every pixel of image `i`. The result is
# `uint8` again, what is brighter than white is white, and what is darker than black is black.


# %% tags=["answer-1"]
def brighten(images, amounts):
    return None  # your answer: the same shape, uint8


# %% tags=["check-1"]
two = np.array([[100, 200, 250], [5, 100, 200]], np.uint8).reshape(2, 1, 1, 3)
brighter = np.array([[110, 210, 255], [0, 80, 180]], np.uint8).reshape(2, 1, 1, 3)


def is_uint8(result):
    kind = getattr(result, "dtype", None)
    return None if kind == np.uint8 else f"it returns pixels of type {kind}, not uint8"


check_answer(
    1,
    brighten,
    [((two, np.array([10, -20])), right) for right in (is_uint8, brighter)],
    "A uint8 knows no 260: 250 + 10 gives 4. Add in a wider type, and clip before "
    "you go back; amounts need a shape that fits to images.",
)

# %% [markdown]
# **Exercise 2 ★★** Write `erase(images, size, rng)`: cutout in NumPy. In each image, a square of
# `size` × `size` pixels at a place of its own, wholly inside the image, becomes black. `rng` is a
# `numpy.random.Generator`. Every place must be possible, the corners included, and the images you
# were given must stay as they are.


# %% tags=["answer-2"]
def erase(images, size, rng):
    return None  # your answer: the same shape and dtype


# %% tags=["check-2"]
white = np.full((2_000, 32, 32, 3), 255, np.uint8)


def judge(size):
    def problem(erased):
        if getattr(erased, "shape", None) != white.shape or erased.dtype != np.uint8:
            return "it returns no images of the same shape and dtype"
        if white.min() < 255:
            return "it changes the images that it was given"
        black = (erased == 0).all(axis=-1).reshape(len(white), -1)
        if set(black.sum(axis=1)) != {size**2}:
            return f"not each image has {size**2} black pixels"
        if (found := len(np.unique(black, axis=0))) != (33 - size) ** 2:
            return f"the square is found in {found} places, not in {(33 - size) ** 2}"

    return problem


def answer(size):
    return erase(white, size, np.random.default_rng(SEED))


hint = "How many rows can the square begin in? And do you work on a copy?"
check_answer(2, answer, [((size,), judge(size)) for size in (24, 29)], hint)

# %% [markdown]
# **Exercise 3 ★★★, an open challenge** What is the most that these 2,000 photographs can give
# within 20 epochs? Write `challenger()`, which returns a recipe. You may choose network,
# transforms, optimiser, learning rate, batch size, anything that a recipe has (`help(Recipe)`),
# but no more than 20 epochs. The check trains by your recipe, which takes as long as your
# recipe does. It asks for 65 % of the validation photographs; ours gets about 70 %. (A smaller network helps, and a recipe made
# for few epochs: `list(RECIPES)` names some.)


# %% tags=["answer-3"]
def challenger():
    return None  # your answer: for example replace(part_two, model="valid_cnn")


# %% tags=["check-3"]
def problem(recipe):
    if not isinstance(recipe, Recipe):
        return "it returns no recipe"
    if recipe.epochs > STORY_EPOCHS:
        return f"it takes more than {STORY_EPOCHS} epochs"
    history = train(recipe, data, seed=SEED, verbose=0).history
    if (reached := history["val_accuracy"][-1]) <= TO_BEAT:
        return f"the validation accuracy is {reached:.1%}"


hint = "list(RECIPES) has more to start from; with_batch_size suits them to few images."
check_answer(3, challenger, [((), problem)], hint)

# %% [markdown]
# ## References
#
# 1. A public tutorial in two parts, without and with augmentation, called s2 in [the ledger](../results/README.md) of this
#    series, where all our runs are recorded.
# 2. C. Zhang et al., [Understanding Deep Learning Requires Rethinking Generalization](https://arxiv.org/abs/1611.03530), 2017.
# 3. T. DeVries and G. Taylor, [Improved Regularization of Convolutional Neural Networks with Cutout](https://arxiv.org/abs/1708.04552), 2017.
# 4. H. Zhang et al., [mixup: Beyond Empirical Risk Minimization](https://arxiv.org/abs/1710.09412), 2018.
#
# **Previous:** [02 · A baseline CNN](02_baseline_cnn.ipynb) ·
# **Next:** [04 · A residual network](04_residual_network.ipynb)
