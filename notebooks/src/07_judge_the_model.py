# %% [markdown]
# # 07 · Judge the model
#
# **Two networks have sat the same exam. One got half a point more than the other. Which of the two is better?
# Most papers would print the larger number in bold, and go on. Here we look closer. It takes us eight
# sections to find where the two really differ. On the way we ask for more. Does the network know when it doesn't know? Where does it look? Is
# the exam itself any good? In the end there is a sheet of paper, and you decide whether you would sign it.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/07_judge_the_model.ipynb)
#
# **You will learn** to
#
# * tell whether one network is better than another, or only luckier,
# * make a network say how sure it is, and mean it,
# * let it refuse, or answer with a few classes instead of one,
# * look for the part of a picture that an answer hangs on,
# * find wrong labels in a data set that everybody uses,
# * find out what breaks a network before your users do.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb). The networks come trained with the package; how they
# were trained is the subject of notebooks 04 and 05.
#
# **Runtime** about 7 minutes on two processor cores. Nothing is trained here.

# %% [markdown]
# ## Setup
#
# One folded cell imports what we need; on Colab it installs the series' helper package first, and changes
# nothing else. Its output is one line: what this notebook runs on.

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
from IPython.display import Markdown
from scipy import stats
from scipy.spatial import cKDTree
from scipy.special import softmax

from cifar_utils.data import (
    CLASS_NAMES,
    DatasetError,
    load_cifar10,
    load_cifar10_test,
    load_cifar10h,
    load_flaws,
)
from cifar_utils.evaluation import (
    CORRUPTIONS,
    accuracy_interval,
    compare_predictions,
    corrupt,
    expected_calibration_error,
    predict_probabilities,
)
from cifar_utils.explain import embed, image_features
from cifar_utils.plotting import label_source, overlay_heat, plot_images, plot_map
from cifar_utils.pretrained import (
    TRAINED,
    load_histories,
    load_out_of_fold,
    load_trained,
    model_card,
)

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # for A, B and C

# %% [markdown]
# ## Settings
#
# These are the values of a real run; a quick test of the notebook uses smaller ones.

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
TEST_LIMIT = None
PROMISE = 0.95  # of the sets of section 4
SWAPPED = 2_000  # images whose middles are exchanged
CORRUPTED = 1_000  # images that are spoilt
MAP_IMAGES = 700

# %% [markdown]
# ## 1 Half a point
#
# Here are the two candidates. A is the wide, fast network of notebook 05. B is the deeper one with shortcuts from
# notebook 04. They learned from the same images. Their exam is the validation set, which neither was trained on.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
A, B = "fast_cnn_large", "residual_cnn"
networks = {name: load_trained(name) for name in (A, B)}
raw_val = {
    name: predict_probabilities(network, data.x_val)
    for name, network in networks.items()
}
for letter, name in zip("AB", networks, strict=True):
    score = accuracy_interval(data.y_val, raw_val[name].argmax(axis=1))
    print(f"{letter}, {name}: {score}")
print(f"of {len(data.y_val):,} validation images of {data.name}")

# %% [markdown]
# A has half a point more. The brackets show each network's 95 % confidence interval: the range that other images of this kind
# might have given. The two overlap. **Before you run the next cells:** does that settle it? Can we say "no difference", and
# go home?
#
# Not yet. The intervals treat the two networks as if each had sat an exam of its own. But they answered *the
# same* questions. An image that is hard for one is mostly hard for the other, and that part of the luck cancels. So let us put
# the answers side by side. Each little square is one image.

# %%
right_a = raw_val[A].argmax(axis=1) == data.y_val
right_b = raw_val[B].argmax(axis=1) == data.y_val
only_a = np.sum(right_a & ~right_b)
only_b = np.sum(right_b & ~right_a)
print("only A is right:", only_a)
print("only B is right:", only_b)

# %% alt="A mosaic of small squares: most are pale, both networks are right; a dark strip where both are wrong, and between them two thin strips of nearly the same size." jupyter={"source_hidden": true} tags=["hide-input"]
strips = {
    "both are right": ("#DDE3E8", "0.35", right_a & right_b),
    "only A is right": (BLUE, BLUE, right_a & ~right_b),
    "only B is right": (ORANGE, ORANGE, right_b & ~right_a),
    "both are wrong": ("#333333", "#333333", ~right_a & ~right_b),
}
counts, rows = [np.sum(images) for *_, images in strips.values()], 25
cells = np.repeat(range(4), counts)
cells = np.append(cells, np.full(-len(cells) % rows, -1)).reshape(-1, rows).T
fig, ax = plt.subplots(figsize=(9, 2.3), layout="constrained")
colours = plt.matplotlib.colors.ListedColormap(["w", *(s[0] for s in strips.values())])
ax.pcolormesh(cells[::-1], cmap=colours, vmin=-1, vmax=3, edgecolor="w", lw=0.15)
starts = np.cumsum([0, *counts[:-1]]) / rows
for name, begin, level in zip(strips, starts, (1, 10, 6, 1), strict=True):
    colour, side = strips[name][1], "right" if level == 10 else "left"
    ax.plot([begin, begin], [rows, rows + level + 1], color=colour, lw=1)
    ax.text(begin, rows + level + 1, f" {name} ", color=colour, ha=side, weight="bold")
ax.set(xlim=(0, cells.shape[1] + 24), ylim=(0, rows + 15))
ax.axis("off")
label_source(ax, data.name)

# %% [markdown]
# Nearly all of the exam says nothing about our question. Where both are right, or both are wrong, nobody wins. The
# decision falls in the two coloured strips. And *there* the race is close.
#
# Suppose that A and B were equally good. Then each coloured image could have gone either way, like the toss of a coin: heads
# for A, tails for B. A leads by some heads. Would a fair coin do that, too? We need no formula, only many coins.

# %% alt="A bell-shaped histogram of leads by chance; both tails, as far out as the lead that A really has, are coloured and still hold a good part."
rng = np.random.default_rng(SEED)
heads = rng.binomial(only_a + only_b, 0.5, size=200_000)
leads = 2 * heads - (only_a + only_b)  # heads minus tails
lead = abs(only_a - only_b)
p = np.mean(np.abs(leads) >= lead)
print(f"a fair coin gives a lead this large, for either side, in {p:.0%} of all exams")
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
values, times = np.unique(leads, return_counts=True)
ax.bar(values, times, 2, color=np.where(np.abs(values) < lead, "#BBBBBB", BLUE))
ax.text(lead, times.max() / 3, "  A's lead, and beyond", color=BLUE)
ax.set(xlabel="lead, if a coin decided each coloured image", yticks=[])
ax.spines[["left", "top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# That share is the **p-value**: how often chance alone would produce a lead at least as large, in one direction or the other.
# By custom one speaks of a difference only when it is below 5 %. Ours is not. Count the coins exactly instead of tossing
# them, and you have **McNemar's test** [1].
#
# The package has it as `compare_predictions`. We ask it about A and B, and then about another pair: A, and A with *six views*. That is the same network, which now looks at
# each image six times, mirrored and shifted by a pixel, and averages what it sees. **Before you run the cell:** the second pair differs by half a point or so, too. Will the test see it?

# %%
six = predict_probabilities(networks[A], data.x_val, views=6).argmax(axis=1)
one, other = (raw_val[name].argmax(axis=1) for name in (A, B))
print("six views:", accuracy_interval(data.y_val, six))
pairs = {"A minus B": (one, other), "six views minus one": (six, one)}
for name, pair in pairs.items():
    found = compare_predictions(data.y_val, *pair)
    print(f"{name}: {found}, from {found.only_a} against {found.only_b} images")

# %% [markdown]
# The two gains are nearly the same, and so are the overlaps of the intervals. But six views change far fewer answers, and those changes are more one-sided. So
# there p is below 5 %. That is the point of pairing: **set the lead against the number of images on which the two differ, and forget all the others.**
#
# And for A and B the answer is: **we can't tell.** The interval of the difference contains zero. Luck alone could easily have
# produced the larger number. For two networks so different, five thousand questions are too few.
#
# ## 2 Would another training say the same?
#
# There is a second kind of luck, and it hides in the training. Start from other random weights, shuffle the images
# in another order, and you get another network. Here are five trainings of a smaller network, all by one and the same recipe. They
# differ in nothing but the seed of their random numbers.

# %% tags=["nbval-check-output"]
curves = [h["val_accuracy"] for h in load_histories("valid_cnn_tuned")]
last = np.array([curve[-1] for curve in curves])
spread = last.std(ddof=1)
print("validation accuracy, last epoch:", last.round(3))
print(f"standard deviation: {100 * spread:.2f} points")

# %% [markdown]
# If your new idea is worth half a point, this scatter can hide it. **Before you run the next cell:** a recipe is
# truly half a point better than yours. You train each of them once. How often does the better one win? And how many
# trainings of each would you need to be sure?
#
# We simulate it. Draw the accuracies of some trainings of both recipes, with the scatter that we
# have just seen, and compare their means. Do that thousands of times. A *t-test* says whether a difference of two means
# is too large for the scatter to explain; as above, we call it sure when its p-value is below 5 %. The picture shows in how many of the simulations it is. (Its right
# side starts at two trainings: one has no scatter.)


# %% tags=["nbval-check-output"]
def verdicts(gain, runs):
    """How often the better recipe has the higher mean; how often a t-test sees it."""
    rng = np.random.default_rng(SEED)
    better = rng.normal(gain, spread, (4_000, runs))
    other = rng.normal(0, spread, (4_000, runs))
    ahead = np.mean(better.mean(axis=1) > other.mean(axis=1))
    if runs == 1:
        return ahead, np.nan  # one run has no scatter to test by
    return ahead, np.mean(stats.ttest_ind(better, other, axis=1).pvalue < 0.05)


runs = [1, 2, 3, 5, 7, 10, 15, 20, 30]
gains = (0.0025, 0.005, 0.01)
power = {gain: np.array([verdicts(gain, n) for n in runs]) for gain in gains}
print(f"half a point, one run each: the better one wins {power[0.005][0, 0]:.0%}")

# %% alt="Two panels over the number of runs: how often the better recipe is ahead, high from the start, and how often a test is sure of it, which needs many runs for small gains." jupyter={"source_hidden": true} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
titles = ("it has the higher mean", "a t-test is sure that they differ")
names = ("a quarter of a point", "half a point", "a point")
for i, (ax, title) in enumerate(zip(axes, titles, strict=True)):
    for gain, colour in zip(gains, (ORANGE, "#A87000", BLUE), strict=True):
        ax.plot(runs, 100 * power[gain][:, i], "o-", color=colour, ms=4)
    ax.set(xscale="log", xticks=runs, xticklabels=runs, title=title)
    ax.minorticks_off()
    ax.set_xlabel("trainings of each recipe")
    ax.spines[["top", "right"]].set_visible(False)
for name, x, y, line in zip(
    names, (29, 9, 2.7), (8, 70, 62), axes[1].lines, strict=True
):
    colour = line.get_color()
    axes[1].text(x, y, name, color=colour, ha="right", weight="bold")
for text, line in zip(("¼ point", "½ point", "1 point"), axes[0].lines, strict=True):
    at = 0.92, line.get_ydata()[0]
    options = {"color": line.get_color(), "weight": "bold", "ha": "right"}
    axes[0].text(*at, text, va="center", **options)
axes[0].set_xlim(0.3, 34)
axes[0].set_ylabel("share of simulations (%)")
axes[0].set_ylim(0, 104)
label_source(axes[1], data.name)

# %% [markdown]
# One training each mostly crowns the right one, but far from always, and you never know which case you are in. For the test to
# succeed four times in five, a full point takes a handful of trainings of each recipe, half a point a dozen, and a quarter of a point more than our picture has. Halve the
# gain, and you need up to four times as many. Remember this when you read a table, ours included: five runs can detect a full point, hardly less.
#
# Keep the two kinds of luck apart. McNemar's test asks: would *other images* say the same about these two networks?
# The t-test asks: would *other trainings* say the same about these two recipes?
#
# ## 3 Does it know when it doesn't know?
#
# A network gives each class a probability. The largest one is its **confidence**. If confidence means anything, then of
# all images that it is 60 % sure of, it should get 60 % right. Such a network is
# called **calibrated**. Sort the answers by confidence into ten groups. In the picture, each group is a dot, and a large dot holds many images.


# %%
def reliability(y_true, probabilities, groups=10):
    """For each group: how sure the network is on average, how often right, how many."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    place = np.minimum((confidence * groups).astype(int), groups - 1)
    full = [place == k for k in range(groups) if np.sum(place == k) >= 10]
    said = np.array([confidence[images].mean() for images in full])
    true = np.array([right[images].mean() for images in full])
    return said, true, np.array([np.sum(images) for images in full])


# %% [markdown]
# **Before you run the cell:** a network can boast, which puts its dots below the diagonal, or be too modest, which puts
# them above. Ours were trained with *label smoothing* (notebook 05): their targets gave the true class a little less than everything. Which of the two will it be?


# %% alt="Two reliability diagrams: nearly all dots of both networks lie above the diagonal, most images in one large dot at the right." jupyter={"source_hidden": true} tags=["hide-input"]
def draw_reliability(y_true, probabilities):
    """A reliability diagram for A and one for B; large dots hold many images."""
    _, axes = plt.subplots(1, 2, figsize=(7.5, 3.7), layout="constrained")
    for ax, name, colour in zip(axes, (A, B), (BLUE, ORANGE), strict=True):
        said, true, images = reliability(y_true, probabilities[name])
        ax.plot([0, 100], [0, 100], color="0.6", ls="--", lw=1)
        ax.plot(100 * said, 100 * true, color=colour, lw=1, alpha=0.5)
        ax.scatter(
            100 * said, 100 * true, 8 + images / images.max() * 150, color=colour
        )
        ax.text(4, 94, "too modest", color="0.5")
        ax.text(98, 4, "boasts", color="0.5", ha="right")
        ax.set(xlim=(0, 103), ylim=(0, 103), title=name, aspect="equal")
        ax.set(xlabel="sure (%)", ylabel="right (%)")
        ax.spines[["top", "right"]].set_visible(False)
    label_source(axes[1], data.name)


draw_reliability(data.y_val, raw_val)

# %% [markdown]
# Too modest, both of them. Let $n_k$ of the $n$ images be in dot number $k$. Average the vertical gaps between dots and diagonal, each weighted by
# its images, and you have the **expected calibration error**:
#
# $$ \text{ECE} \;=\; \sum_k \frac{n_k}{n} \, \bigl| \text{right}_k - \text{sure}_k \bigr| $$
#
# The cure is surprisingly simple. A network computes one number for each class, its *logits* $z$, and softmax
# turns them into probabilities. Divide all logits by one number $T$ first, the **temperature** [2]:
#
# $$ p = \text{softmax}(z / T) $$
#
# Above one, $T$ flattens the peaks; below one, it sharpens them. The ranking of the classes does not change, so
# *no answer changes*. Which $T$ is right? The one that makes the cross-entropy loss of notebook 02 smallest: the mean of $-\log p$
# of the true class, which is how much the truth surprises the network. A boastful network is badly surprised whenever it is wrong, a modest one a little surprised every time. The least surprised is the one whose
# probabilities are true. We try many. (`predict_probabilities` has returned probabilities. Their logarithm is the logits plus a constant, and softmax ignores a constant.)


# %% alt="Two valleys: the surprise over the temperature; both have their lowest point left of one." tags=["setup"]
def tempered(probabilities, temperature):
    """What these probabilities become when the logits are divided by a temperature."""
    logits = np.log(np.maximum(probabilities, 1e-12))
    return softmax(logits / temperature, axis=1)


def surprise(y_true, probabilities):
    """Cross-entropy, or negative log-likelihood: mean -log p of the true class."""
    return -np.log(probabilities[np.arange(len(y_true)), y_true]).mean()


candidates, best = np.geomspace(0.25, 2, 300), {}
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
for name, colour in zip(networks, (BLUE, ORANGE), strict=True):
    tried = [surprise(data.y_val, tempered(raw_val[name], T)) for T in candidates]
    best[name] = candidates[np.argmin(tried)]
    print(f"{name}: T = {best[name]:.2f}")
    ax.plot(candidates, tried, color=colour)
    ax.plot(best[name], min(tried), "o", color=colour)
    ax.text(2.05, tried[-1], name, color=colour, va="center")
ax.axvline(1, color="0.6", ls="--", lw=1)
ax.set(xlabel="temperature", ylabel="mean surprise", xlim=(0.2, 2))
label_source(ax, data.name)

# %% [markdown]
# We have fitted one number on the validation images, so they can't judge it. Time for the test set. From here on we
# *choose* by validation images and *report* on test images, and nothing that we see below will make us go back and change a network.

# %% tags=["setup"]
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
raw_test = {name: predict_probabilities(networks[name], x_test) for name in networks}
val = {name: tempered(raw_val[name], best[name]) for name in networks}
test = {name: tempered(raw_test[name], best[name]) for name in networks}

# %% alt="Two reliability diagrams of test images with temperature: the dots lie near the diagonal."
for name in networks:
    errors = [expected_calibration_error(y_test, q[name]) for q in (raw_test, test)]
    print(f"{name}: calibration error {errors[0]:.1%}, tempered {errors[1]:.1%}")
answers = [test[name].argmax(axis=1) for name in (A, B)]
print("A minus B on the test images:", compare_predictions(y_test, *answers))
draw_reliability(y_test, test)

# %% [markdown]
# One number, and both networks have become surer: most dots now lie near the diagonal. Not every single one, and some have gone beyond it, since a single number can't bend a curve into any shape. But from now on we can roughly read confidence as a probability. (And our first question? The last line asks it again, on twice as many images. We still can't tell.)
#
# What does doubt look like? Here are the images that A is least sure of, with its first and second guess.

# %% alt="A row of small, dark, cropped or odd pictures, above each the two classes between which the network wavers."
doubt = np.argsort(test[A].max(axis=1))[:10]
titles = []
for i in doubt:
    second, first = np.argsort(test[A][i])[-2:]
    titles.append(f"{CLASS_NAMES[first]} or\n{CLASS_NAMES[second]}?")
ax = plot_images(x_test[doubt], titles, data_name=data.name)

# %% [markdown]
# Over some of them you would hesitate, too.
#
# ## 4 Two ways to use doubt
#
# The first way is to **refuse**. Let the network answer only when it is sure enough, and hand the rest to a person. Sort the
# images by confidence, and ask how accurate the network is on the first k of them. **Before you run the cell:** let it refuse the least sure tenth.
# How many of its mistakes go with them: a tenth, a third, more than half?

# %% alt="Accuracy over the share of answered images: almost perfect up to about three quarters, then falling ever faster."
order = np.argsort(-test[A].max(axis=1))
right = (test[A].argmax(axis=1) == y_test)[order]
k = np.arange(1, len(right) + 1)
accuracy = np.cumsum(right) / k  # on the surest 1, 2, 3 … images
most = int(0.9 * len(right))
left_over = np.sum(~right[:most]) / np.sum(~right)
print(f"refusing a tenth removes {1 - left_over:.0%} of the mistakes")
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.plot(100 * k / len(right), 100 * accuracy, color=BLUE)
ax.plot(90, 100 * accuracy[most], "o", color=BLUE)
ax.text(88, 100 * accuracy[most], "a tenth refused", ha="right", va="top", color=BLUE)
ax.set(xlabel="images answered, the surest first (%)", ylabel="accuracy (%)")
label_source(ax, data.name)

# %% [markdown]
# More than half. A small share of the images holds most of the mistakes, and the network finds that share. In practice, that is worth more
# than a point of accuracy.
#
# The second way is to answer with a **set**, such as {cat, dog}: small when the network is sure, larger when it isn't. How generous must sets be, so
# that the true class is in them 95 times in 100? Here is a recipe so simple that it sounds wrong. Take the validation images, and look up which
# probability each *true* class was given. Sort these numbers, and find the value that 95 % of them reach. From now on, a set holds every class that reaches this value.

# %%
given = val[A][np.arange(len(data.y_val)), data.y_val]
threshold = np.quantile(given, 1 - PROMISE)
sets = test[A] >= threshold
print(f"a class must reach {threshold:.3f} to be in the set")
print(f"true class in the set: {sets[np.arange(len(y_test)), y_test].mean():.1%}")
for size, images in enumerate(np.bincount(sets.sum(axis=1))):
    print(f"sets of {size} classes: {images}")

# %% [markdown]
# The promise is kept, up to chance, on images that nobody has seen before, and it would be kept for any network, a bad one, too. Nothing was assumed but that new
# images come from where the old ones came from. A bad network pays with larger sets. This is **split conformal prediction** [3].
# (`conformal_threshold` of the package adds the small correction that makes it exact.) Most sets hold one class, and nothing changes there. Here are
# the largest ones. The true class is in capitals; where there are no capitals, the set has missed it.

# %% alt="A row of test images whose answer is a set of several classes, written above each, the likeliest first and the true one in capitals."
largest = np.argsort(-sets.sum(axis=1), kind="stable")[:10]
titles = []
for i in largest:
    ranked = np.argsort(-test[A][i])[: max(1, sets[i].sum())]
    names = [
        CLASS_NAMES[c].upper() if c == y_test[i] else CLASS_NAMES[c] for c in ranked
    ]
    titles.append("\n".join(names[:4]))
ax = plot_images(x_test[largest], titles, data_name=data.name)

# %% [markdown]
# These are short lists that you could hand to a person. Mind what the promise does *not* say. It is kept on average over all images. On the hardest, as here, it fails more often, and for cats
# perhaps more often than for ships: exercise 2 looks into that. (A set can also be empty, when no class reaches the threshold. Read it as "I can't tell".)
#
# ## 5 Where does it look?
#
# A right answer can have a wrong reason. So let us ask *which part of the picture* speaks for the answer. Here is the
# idea of **Grad-CAM** [4]. Cut the network in two. The front half turns the picture into feature maps, in which position still means something: each is a
# grid of 7 × 7 places. The back half turns the maps into logits. Now ask the back half: if this map were a little stronger, how much
# would the logit of "cat" grow? That is a gradient. Its mean over the map is the map's weight. Add up the maps, each times its weight, and keep the positive
# part. It shows where the evidence lies.


# %%
def evidence(network, layer, images, labels):
    """Grad-CAM: where in the images the evidence for these labels lies, from 0 to 1."""
    cut = network.get_layer(layer).output
    front = keras.Model(network.input, cut)
    back = keras.Model(cut, network.output)
    maps = tf.cast(front(images), "float32")
    with tf.GradientTape() as tape:
        tape.watch(maps)  # we want gradients with respect to these
        logits = tf.gather(back(maps), labels, batch_dims=1)  # each image's own label
    slopes = tape.gradient(logits, maps)
    weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3])[..., 0]
    top = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
    return (heat / tf.maximum(top, 1e-9)).numpy()


# %% [markdown]
# First the test images that A gets right and is surest of, one of each class. The brighter a place, the more it speaks for the answer; each picture is scaled to its own brightest place.

# %% alt="Ten pictures, one of each class, and below them the same in grey with a glow where the evidence lies: on heads, wheels and bodies."
LAYER = "stage3_1_conv"  # the last one whose maps are 7 x 7
answer = test[A].argmax(axis=1)
sure = np.argsort(-test[A].max(axis=1), kind="stable")
ones = [next((i for i in sure if y_test[i] == c == answer[i]), c) for c in range(10)]
glow = overlay_heat(x_test[ones], evidence(networks[A], LAYER, x_test[ones], range(10)))
pictures = np.concatenate([x_test[ones] / 255, glow])
ax = plot_images(pictures, [*CLASS_NAMES, *[""] * 10], data_name=data.name)

# %% [markdown]
# Some of the light is where you would look: a head, a wheel, a bow. Some is beside the animal. Now its worst mistakes: wrong, and very sure. The middle row asks why it said what it said. The last row asks what
# spoke for the label.

# %% alt="Three rows: wrongly classified pictures, the evidence for the wrong answer, the evidence for the right one, which is often dark."
wrong = np.array([i for i in sure if answer[i] != y_test[i]][:10])
heats = [
    overlay_heat(x_test[wrong], evidence(networks[A], LAYER, x_test[wrong], classes))
    for classes in (answer[wrong], y_test[wrong])
]
titles = [f"label: {CLASS_NAMES[c]}" for c in y_test[wrong]]
titles += [f"why {CLASS_NAMES[c]}?" for c in answer[wrong]]
titles += [f"why {CLASS_NAMES[c]}?" for c in y_test[wrong]]
pictures = np.concatenate([x_test[wrong] / 255, *heats])
ax = plot_images(pictures, titles, columns=len(wrong), data_name=data.name)

# %% [markdown]
# Read a column from top to bottom. Where the last row glows, compare the two places, and you begin to see what
# confused the network. Where a picture is dark, Grad-CAM has found nothing at this layer. That can happen even to the network's own answer, so darkness proves little. And in some columns you may side with
# the network, against the label. Section 6 is about such cases.
#
# But a glow is a suspicion, not a proof. It is coarse, and it tells us about one picture at a time. Do the *surroundings*
# matter? Horses stand on meadows, ships lie on water, airplanes hang in the sky. An experiment can tell. We cut out
# the middle of one picture, a quarter of its area, and paste it into a picture of another class. **Before you run the cell:** whose class will the network
# name more often, that of the middle or that of the frame?

# %% alt="A row of chimeras: the middle of one picture inside the frame of another; above each the class of the middle, the class of the frame and the network's answer."
inner = slice(8, 24)
x_some, y_some = x_test[:SWAPPED], y_test[:SWAPPED]
partner = np.random.default_rng(SEED).permutation(len(x_some))
mixed = np.flatnonzero(y_some != y_some[partner])
partner = partner[mixed]
chimeras = x_some[partner].copy()
chimeras[:, inner, inner] = x_some[mixed][:, inner, inner]
middle, frame = y_some[mixed], y_some[partner]
named = predict_probabilities(networks[A], chimeras).argmax(axis=1)
print(f"it names the middle's class: {np.mean(named == middle):.0%}")
print(f"it names the frame's class:  {np.mean(named == frame):.0%}")
titles = [
    f"{CLASS_NAMES[m]} in\n{CLASS_NAMES[f]}:\n{CLASS_NAMES[n]}!"
    for m, f, n in zip(middle, frame, named, strict=True)
]
ax = plot_images(chimeras[:10], titles[:10], data_name=data.name)


# %% alt="Horizontal bars by class: how much more often a class is named when it is in the frame, or in the middle, than when it is in neither. Ships and airplanes gain more by the frame, dogs and frogs more by the middle." jupyter={"source_hidden": true} tags=["hide-input"]
def beyond_chance(place):
    """How much more often a class is named when it is there than in neither."""
    neither = [(middle != c) & (frame != c) for c in range(10)]
    share = [np.mean(named[place == c] == c) for c in range(10)]
    chance = [np.mean(named[n] == c) for c, n in enumerate(neither)]
    return 100 * (np.array(share) - chance)


fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
by_frame, by_middle = beyond_chance(frame), beyond_chance(middle)
order = np.argsort(by_frame - by_middle)
ax.barh(np.arange(10) + 0.2, by_frame[order], 0.38, color=GREEN)
ax.barh(np.arange(10) - 0.2, by_middle[order], 0.38, color="#999999")
ax.set_yticks(range(10), np.array(CLASS_NAMES)[order])
right_side = 1.02 * max(by_frame.max(), by_middle.max())
ax.text(right_side, 1.1, "it is in the frame", color=GREEN, ha="right")
ax.text(right_side, 0.2, "it is in the middle", color="0.4", ha="right")
ax.set_xlabel("named more often than when it is in neither (points)")
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# The middle is a quarter of the area and the frame three quarters, and neither wins clearly. Often the network names a third class. Now compare the classes. A bar says how much more often
# the network names a class when it is in that part than when it is in neither. Where the green bar is the longer
# one, the frame says more than the middle; the classes are sorted by that. For a dog or a cat, the middle of the picture counts. For a ship or an airplane, the frame does, and much of that frame
# is water and sky. Is that cheating? It depends on what you want. Ships *are* on water, mostly. But a ship in
# dry dock may suffer for it, and the accuracy on a test set with the same habits will never tell you.
#
# (The frame is not pure background: wings, wheels and bows reach into it. And the seam is something new in a picture, which the network has to call something. The trucks, which lead both ways,
# may owe something to such edges.)
#
# ## 6 Judge the judge
#
# So far we trusted the exam. Should we? Three groups of researchers have examined it. Northcutt and others showed suspicious test images to five raters each [5].
# Barz and Denzler searched for test images with a twin among the training images [6]. Peterson and others asked some fifty people
# about *every* test image [7]. Here are the images for which at least three raters agreed on another class than the label's.

# %% alt="Test images whose label raters rejected; above each the label and what they chose instead."
flaws = load_flaws()
everyone = np.arange(len(y_test))
rejected = np.isin(everyone, flaws.rejected[:, 0])
twins = np.isin(everyone, flaws.duplicates[:, 0])
chosen = dict(flaws.rejected)  # what raters chose; -1: no agreement
clear = [i for i in everyone[rejected] if chosen[i] >= 0] or everyone[rejected][:1]
titles = [f"label: {CLASS_NAMES[y_test[i]]}\n→ {CLASS_NAMES[chosen[i]]}" for i in clear]
ax = plot_images(x_test[clear], titles, columns=9, data_name=data.name)

# %% [markdown]
# In most of these the label is plainly wrong, and a network that says what is there loses a mark for it. So let us mark the exam
# again, in five ways:
#
# * all test images, as everybody does;
# * without the labels that most raters rejected: those above, and others for which they agreed on no other class;
# * without the twins;
# * against people: is the answer what most of them say?
# * on *new* pictures. Recht and others collected a second test set, CIFAR-10.1, in the same manner [8]. We don't have its images. But for the thirty networks
#   of that study, the new accuracy followed the old one along a line, and we can read from the line what to expect.
#
# **Before you run the cell:** how does A do on the twins, most of whose copies it saw in training? (The other copies are among our validation images.) And how often does it agree with a rejected label?

# %%
try:  # about 400 kB, once; without a connection we go on without people
    votes = load_cifar10h() if data.name == "cifar10" and TEST_LIMIT is None else None
except DatasetError:
    votes = None
correct = answer == y_test
print(f"twins: {correct[twins].sum()} of {twins.sum()} right")
print(f"rejected labels: {correct[rejected].sum()} of {rejected.sum()} right")
exams = {
    "all test images": accuracy_interval(y_test, answer),
    "without rejected labels": accuracy_interval(y_test[~rejected], answer[~rejected]),
    "without twins": accuracy_interval(y_test[~twins], answer[~twins]),
}
if votes is not None:
    exams["what most people say"] = accuracy_interval(votes.argmax(axis=1), answer)
for name, score in exams.items():
    print(f"{name}: {score}")
new_pictures = 1.60 * exams["all test images"].accuracy - 0.632  # the line of [8]
print(f"new pictures, by the line: {new_pictures:.1%}")

# %% alt="Five accuracies of one network: four lie close together with overlapping intervals, the fifth, for new pictures, lies far to the left." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
for row, (name, (score, low, high)) in enumerate(exams.items()):
    ax.plot([100 * low, 100 * high], [row, row], color=BLUE, lw=3, alpha=0.4)
    ax.plot(100 * score, row, "o", color=BLUE)
    ax.text(100 * high + 0.3, row, name, va="center")
ax.plot(100 * new_pictures, len(exams), "o", mfc="w", color=ORANGE)
note = "new pictures (read from a line, not measured)"
ax.text(100 * new_pictures + 0.4, len(exams), note, va="center")
ax.set(yticks=[], xlabel="accuracy (%)")
ax.set_xlim(100 * new_pictures - 1.5, 100 * max(s.high for s in exams.values()) + 4)
ax.invert_yaxis()
ax.spines[["left", "top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# Twins give points away: A gets them all. Rejected labels cost points. Both matter only a little, and in opposite directions. (The first and the fourth figure can't lie far apart, since people and labels disagree about very few images. And
# where they do, the network has learned from labels, not from people.) The judge has small flaws. The large one is elsewhere. **If the line holds
# for our network, too, then a new test set, collected with care and in the same way, costs more than all the rest together.** The
# networks of that study mostly kept their order, though. So a benchmark is better at saying *which* than at saying *how good*.
#
# ## 7 Find the wrong labels yourself
#
# The training images have wrong labels, too. You can find them yourself, without any raters, and in your own data as well.
#
# A network is no help on images that it was trained on: it has learned their labels, the wrong ones included. So
# split the training images into five parts, train on four, and predict the fifth. Do it five times, and every image gets an opinion from a network that has never seen
# it. These are **out-of-fold** probabilities. We did this once, and the package has them.

# %%
everything = load_cifar10(val_size=0, limit=LIMIT)
out_of_fold = load_out_of_fold()[: len(everything.y_train)]
agree = np.mean(out_of_fold.argmax(axis=1) == everything.y_train)
print(f"networks that never saw the image agree with its label: {agree:.1%}")

# %% [markdown]
# Most of the disagreements are the network's fault. Which ones are the label's? **Confident learning** [9] has a neat answer. For each class, take all images with
# that label, and average the probability that the network gives to that class. That is its *usual confidence* in this class. Then flag an
# image if the network gives a class *other* than the label more than its usual confidence in that class.


# %% alt="Training images whose label is doubtful, above each the label and the rival class: some are clearly mislabelled, others merely hard."
def suspects(probabilities, labels):
    """Rows whose label is doubtful, the most doubtful first, and the rival classes."""
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    usual = [own[labels == c].mean() for c in range(10)]
    confident = np.where(probabilities >= usual, probabilities, 0)
    rival = confident.argmax(axis=1)
    flagged = np.flatnonzero((confident.max(axis=1) > 0) & (rival != labels))
    margin = probabilities[flagged, rival[flagged]] - own[flagged]
    flagged = flagged[np.argsort(-margin)]
    return flagged, rival[flagged]


flagged, rivals = suspects(out_of_fold, everything.y_train)
print(f"{len(flagged)} of {len(everything.y_train):,} training images are suspects")
titles = [
    f"{CLASS_NAMES[everything.y_train[i]]}\n→ {CLASS_NAMES[rival]}?"
    for i, rival in zip(flagged[:30], rivals, strict=False)
]
ax = plot_images(everything.x_train[flagged[:30]], titles, data_name=data.name)

# %% [markdown]
# Go through them one by one. Which would you correct? In some, the label is plainly wrong. In others the network was fooled, and a few
# are pictures that nobody could name. So a suspect is not a culprit: **the method saves you from looking at all images, not from looking.** How
# much does it save? On the test images we know what raters said, so there we can check. A never saw them, so its answers need no folds.

# %%
flagged, _ = suspects(test[A], y_test)
found = rejected[flagged].sum()
among = found / max(1, len(flagged))
print(f"{len(flagged)} suspects, {found} of them rejected by raters: {among:.0%}")
print(f"among all test images: {rejected.mean():.2%}")
print(f"rejected labels that were not suspects: {rejected.sum() - found}")

# %% [markdown]
# A pile of suspects is many times richer in rejected labels than the test set as a whole. That is what it is good for. But
# most suspects were not rejected. (Some were never shown to raters, so the share is a lower bound.) And most rejected labels were not suspects: there the network sided with the label, or was not sure enough of another class.
#
# ## 8 What breaks it?
#
# Test images are as clean as training images. Your users' pictures are not. They are noisy, blurred, pale, coarse, or stored as a JPEG of poor quality. `corrupt` spoils images in five ways and five severities, after a well-known benchmark [10].

# %% alt="A grid: five kinds of damage in rows, from just visible at the left to severe at the right."
kinds = list(CORRUPTIONS)
horse = x_test[ones[7:8]]
spoilt = [corrupt(horse, kind, s, seed=SEED) for kind in kinds for s in range(1, 6)]
titles = [
    f"{kind.replace('_', ' ')}, 1" if s == 1 else f"{s}"
    for kind in kinds
    for s in range(1, 6)
]
ax = plot_images(np.concatenate(spoilt), titles, columns=5, data_name=data.name)

# %% [markdown]
# A third candidate joins us: C, a small and cheap network. **Before you run the next cells:** you still
# recognise the horse at severity 3. Do they? Which of the three holds out longest? And does a network *know* that it
# is lost: does its confidence fall as its accuracy does?

# %%
C = "valid_cnn"
networks[C], best[C] = load_trained(C), TRAINED[C].temperature  # fitted as above


def under(name, kind, severity):
    """For each image: is it right, and how sure? Severity 0 is no damage."""
    images = x_test[:CORRUPTED]
    if severity:
        images = corrupt(images, kind, severity, seed=SEED)
    q = predict_probabilities(networks[name], images, temperature=best[name])
    return q.argmax(axis=1) == y_test[:CORRUPTED], q.max(axis=1)


curves, held = {}, {}
for name in networks:
    found = np.array([[under(name, kind, s) for s in range(6)] for kind in kinds])
    curves[name] = found.mean(axis=-1)  # kind, severity, accuracy and confidence
    held[name] = found[:, 1:, 0].mean(
        axis=(0, 1)
    )  # by image: share of damages withstood
    clean = curves[name][0, 0, 0]
    print(f"{name}: clean {clean:.1%}, spoilt {held[name].mean():.1%} on average")
gap = held[B] - held[A]
reach = 1.96 * gap.std() / np.sqrt(len(gap))
print(f"B minus A on spoilt images: {100 * gap.mean():+.1f} ± {100 * reach:.1f} points")

# %% alt="Five panels, one for each kind of damage: the accuracy of three networks falls with severity, while the dotted confidence of A falls far less." jupyter={"source_hidden": true} tags=["hide-input"]
fig, axes = plt.subplots(1, 5, figsize=(11, 3.1), layout="constrained", sharey=True)
for i, (ax, kind) in enumerate(zip(axes, kinds, strict=True)):
    for curve, colour in zip(curves.values(), (BLUE, ORANGE, GREEN), strict=True):
        ax.plot(range(6), 100 * curve[i, :, 0], "o-", ms=3, color=colour)
    ax.plot(range(6), 100 * curves[A][i, :, 1], color=BLUE, ls=":")
    ax.set(title=kind.replace("_", " "), xlabel="severity", xticks=range(6))
    ax.set_ylim(0, 100)
    ax.spines[["top", "right"]].set_visible(False)
notes = ("A", BLUE), ("B", ORANGE), ("C", GREEN), ("dots: how sure A is", BLUE)
for row, (note, colour) in enumerate(notes):
    axes[-1].text(0.1, 33 - 9.5 * row, note, color=colour, weight="bold")
axes[0].set_ylabel("accuracy (%)")
label_source(axes[-1], data.name)

# %% [markdown]
# Three things to see. Damage that you hardly mind can cost them half of their answers; at the strong end, noise leaves little more than
# guessing. Then look at the printed lines. **On clean images we can't tell A from B. On spoilt ones, B holds out longer on average, and A
# is hardly better than the cheap C.** Here at last the two differ. And the dotted line: it falls, but far less than the accuracy. The temperature was fitted on clean images, and its
# promise ends where these end. A has never met noise, and does not know that it should doubt.
#
# ## 9 A map to wander in
#
# Accuracy counts the mistakes; a map lets you see them. Just before its last layer, A describes each picture by a list of
# numbers, its *features*. Pictures with similar lists are similar *to the network*. A method called t-SNE [11] lays them out in the plane, so that pictures that were neighbours in
# the long lists stay neighbours on paper. (Each is moved a little, to a cell of a grid, so that none covers another.) The frames show the labels.

# %% alt="A map of small photographs that form islands, one for each class, with single strays on the wrong island."
walk = slice(MAP_IMAGES)
places = embed(image_features(networks[A], x_test[walk]), seed=SEED)
ax = plot_map(
    x_test[walk], places, y_test[walk], class_names=CLASS_NAMES, data_name=data.name
)

# %% [markdown]
# Walk along the coasts. Which islands touch, and what stands on the bridge between them? Only neighbourhoods mean something here; how large an island is, or how far
# from another, is an accident of the method. The most interesting citizens are the **strays**: pictures among neighbours of another class. We can ask for them.

# %% alt="A row of strays: test images whose neighbours on the map are of another class; above each its label and the class around it."
tree = cKDTree(places)
_, near = tree.query(places, k=9)  # itself and eight neighbours
around = stats.mode(y_test[walk][near[:, 1:]], axis=1)
strays = np.flatnonzero((around.mode != y_test[walk]) & (around.count > 6))[:10]
titles = [
    f"{CLASS_NAMES[y_test[i]]}\n(all around:\n{CLASS_NAMES[around.mode[i]]})"
    for i in strays
]
if len(strays):
    ax = plot_images(x_test[strays], titles, data_name=data.name)

# %% [markdown]
# Each of them may be a mistake of the network, a wrong label, or simply a dog that looks like a cat. You have now met all three. (And the map itself may have put it there, when it pressed a long list into two
# numbers.)
#
# ## 10 Would you sign it?
#
# A **model card** [12] is like the leaflet in a medicine box: what a network is for, how good it is, on what, and
# what it does badly. This one is made from the series' stored measurements, its *ledger*: all ten thousand test images, each figure with its interval. Read it as the person who has to answer for it.

# %%
Markdown(model_card(A))

# %% [markdown]
# So, A or B? On clean pictures we can't tell them apart, and A cost about a quarter of the operations to train (the series' [results](../results/README.md) have both). On damaged pictures B is the better one. Would you
# sign A's card? We would, for what it says it is for. "For" and "Not for" are its most important lines: **no figure is good or bad before you know what for.**
#
# ## Check your understanding
#
# **1.** Network X beats Y on 60 test images, Y beats X on 40. The test set has ten thousand images. Somebody says: "A fifth of a point, that is within
# the half point of error of a test set this large, so it is nothing." What is wrong with the argument, and what is right?
#
# <details><summary>Answer</summary>The half point is the error of one accuracy alone. Both networks sat the same exam, so only
# the hundred images that tell them apart count. A fair coin is as far from even as 60 to 40 in about one of eighteen exams:
# on the edge. The conclusion may stand, but not for that reason.</details>
#
# **2.** You refuse the least sure tenth of the images and report the accuracy on the rest. Your colleague doesn't refuse, and reports less. Is yours the better network?
#
# <details><summary>Answer</summary>You can't say. Anyone can buy accuracy with refusals. Compare at the same share of answered
# images, or compare the whole curves.</details>
#
# **3.** Your conformal sets hold the true class in 95 % of the test images. Then the camera is replaced. Does the promise still hold?
#
# <details><summary>Answer</summary>No. It rests on one thing: new images come from where the validation images came from. With
# a new camera, set aside some labelled images of that camera and find a new threshold. That takes a minute.</details>
#
# ## How far to trust this
#
# > * **Two networks.** A and B are one training each. What we say of them holds for these weights, not for
# >   their recipes. Both recipes were tuned on the validation images, which flatters both on these.
# > * **The simulation** uses the scatter of one recipe's five runs, which is itself uncertain, to stand for every recipe's.
# > * **The test images** served for many figures here, but none of these figures chose anything.
# > * **Grad-CAM** shows one gradient at one layer. Another layer or another method glows elsewhere.
# > * **Rejected labels** are a selection: raters saw only those that an earlier network had found suspicious.
# > * **CIFAR-10.1** was not run. The line is that of other networks.
# > * **The damage** is ours, on a part of the test images, with one draw of the noise. It is not the benchmark's own, so don't compare the
# >   figures with published ones. Why B holds out longer, we have not tested: it is deeper, and it saw more sizes and larger shifts in training.
#
# ## Three takeaways
#
# 1. **Compare on the same images, and count only where the two differ.** Then ask whether another training would say the same.
# 2. **Confidence is a promise, and one number can mend it.** It lets a network refuse or answer with a set. The promise ends where
#    the data change.
# 3. **Judge the judge.** Wrong labels, twins and habits of the photographers are all in the test set, and all in your accuracy.

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 07](solutions/07_judge_the_model.ipynb).

# %% [markdown]
# **Exercise 1 ★** A hospital says: "We take your network if it is right in 99 of 100 answers. It may refuse as often as it likes." Write
# `most_answered(right, confidence, wanted)`: the largest share of images that it can answer, the surest first, with at least the wanted accuracy on
# them. `right` holds True or False for each image. If it can't be done at all, the share is 0.


# %% tags=["answer-1"]
def most_answered(right, confidence, wanted):
    return None  # your answer: a share from 0 to 1


# %% tags=["check-1"]
few = np.array([True, True, False, True]), np.array([0.9, 0.8, 0.7, 0.6])
check_answer(
    1,
    most_answered,
    [
        ((*few, 1.0), 0.5),
        ((*few, 0.75), 1.0),
        ((few[0][::-1], few[1][::-1], 1.0), 0.5),
        ((~few[0], few[1], 0.9), 0.0),
    ],
    "Accuracy may dip below what is wanted, and recover: look at all shares.",
)

# %% [markdown]
# **Exercise 2 ★★** The sets of section 4 keep their promise on average. Do they keep it for cats? Write `thresholds_by_class(probabilities, labels, promise)`: ten
# thresholds, one for each class, by the recipe of section 4 applied to the images of that class alone. Then compare: for which class does one
# threshold for all break its promise most, and what do ten thresholds cost?


# %% tags=["answer-2"]
def thresholds_by_class(probabilities, labels, promise):
    return None  # your answer: an array of ten thresholds


# %% tags=["check-2"]
drawn = np.random.default_rng(1)
q, c = drawn.dirichlet(np.ones(10), 200), np.arange(200) % 10
q[:10], c[:10] = np.eye(10), 3
expected = [np.quantile(q[c == k, k], 0.1) for k in range(10)]
check_answer(
    2,
    thresholds_by_class,
    [((q, c, 0.9), np.array(expected)), ((q[:, ::-1], 9 - c, 0.9), expected[::-1])],
    "Of the images with label c, take the probability of class c.",
)

# %% [markdown]
# **Why?** One temperature changes no answer. Can it change *which* images are refused first?
#
# <details><summary>Answer</summary>Yes. Within one image the order of the classes stays, but confidence depends on all of its logits. Take an image with a single rival
# close behind the first, and another with nine rivals that are far behind, but many. While the network is lukewarm, the nine
# together weigh more, and the second image is refused first. Sharpen, and the nine melt away, while the single close rival stays: now
# the first image is refused first.</details>
#
# **Exercise 3 ★★★** An open challenge, for an evening. The small network below has never seen noise or blur, and you must not train it. But
# you may choose *how* it answers. Write `robust(network, images)`: class probabilities, shape (n, 10), for a batch of images that are all spoilt in one way, which
# you aren't told. You may look at the whole batch at once. The judge averages its accuracy over all five kinds, at two severities each. **To beat:** what
# averaging six views of each image gives, which is hardly more than one view does.


# %%
def judge(answer_batch, images=500):
    """Mean accuracy of an answer over five kinds of damage at severities 2 and 4."""
    network, scores = load_trained("fast_cnn"), []
    for kind in CORRUPTIONS:
        for severity in (2, 4):
            spoilt = corrupt(data.x_val[:images], kind, severity, seed=SEED)
            said = np.argmax(answer_batch(network, spoilt), axis=1)
            scores.append(np.mean(said == data.y_val[:images]))
    return np.mean(scores)


def six_views(network, images):
    return predict_probabilities(network, images, views=6)


to_beat = judge(six_views)
print(f"to beat: {to_beat:.1%}")


# %% tags=["answer-3"]
def robust(network, images):
    return None  # your answer: probabilities, one row for each image


# %% tags=["check-3"]
def problem(reached):
    return reached <= to_beat and f"the judge says {reached:.1%}, not more"


check_answer(
    3,
    lambda: None if robust(networks[A], x_test[:2]) is None else judge(robust),
    [((), problem)],
    "Compare the feature maps of clean and of spoilt images: which statistics moved?",
)

# %% [markdown]
# ## References
#
# 1. Q. McNemar, [Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages](https://doi.org/10.1007/BF02295996), 1947.
# 2. C. Guo et al., [On Calibration of Modern Neural Networks](https://arxiv.org/abs/1706.04599), 2017.
# 3. A. Angelopoulos and S. Bates, [A Gentle Introduction to Conformal Prediction](https://arxiv.org/abs/2107.07511), 2021.
# 4. R. Selvaraju et al., [Grad-CAM](https://arxiv.org/abs/1610.02391), 2017.
# 5. C. Northcutt, A. Athalye, J. Mueller, [Pervasive Label Errors in Test Sets](https://arxiv.org/abs/2103.14749), 2021; [the raters' votes](https://github.com/cleanlab/label-errors).
# 6. B. Barz and J. Denzler, [Do We Train on Test Data?](https://arxiv.org/abs/1902.00423), 2020; [the list of pairs](https://github.com/cvjena/cifair).
# 7. J. Peterson et al., [Human Uncertainty Makes Classification More Robust](https://arxiv.org/abs/1908.07086), 2019 (CIFAR-10H).
# 8. B. Recht et al., [Do CIFAR-10 Classifiers Generalize to CIFAR-10?](https://arxiv.org/abs/1806.00451), 2018.
# 9. C. Northcutt, L. Jiang, I. Chuang, [Confident Learning](https://arxiv.org/abs/1911.00068), 2021.
# 10. D. Hendrycks and T. Dietterich, [Benchmarking Neural Network Robustness](https://arxiv.org/abs/1903.12261), 2019.
# 11. L. van der Maaten and G. Hinton, [Visualizing Data using t-SNE](https://www.jmlr.org/papers/v9/vandermaaten08a.html), 2008.
# 12. M. Mitchell et al., [Model Cards for Model Reporting](https://arxiv.org/abs/1810.03993), 2019.
#
# **Previous:** [06 · Train faster](06_train_faster.ipynb) · **Next:** [08 · Broken on purpose](08_broken_on_purpose.ipynb)
