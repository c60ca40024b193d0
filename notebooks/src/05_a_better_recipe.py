# %% [markdown]
# # 05 · A better recipe
#
# **Take the network of notebook 02: the same layers, the same 297,226 parameters, the same ten epochs, the same number
# of multiplications. Train it once as the author of that network did, and once by a better recipe. More than half of its
# mistakes are gone. Nothing was added. So where were those answers hiding?**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/05_a_better_recipe.ipynb)
#
# **You will learn** to
#
# * let a learning rate rise and fall, and say why,
# * give a network a first layer that needs no training, and a calm start,
# * see why Muon, an optimiser, steps equally far in all directions, and write its heart in six lines,
# * tell a change that helps from one that only seems to,
# * train a small network past 90 % in minutes.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb), for logits, cross-entropy and
# batch normalisation, and the part of [03](03_data_augmentation.ipynb) about flips and crops.
# It helps to have met covariance, eigenvectors and singular values; pictures will remind you.
#
# **Runtime** about 17 minutes on two processor cores, nearly all of it for the trainings of sections 11 and 12.

# %% [markdown]
# ## Setup
#
# One folded cell installs the series' helper package on Colab, and imports what we need. Its
# output is one line: what this notebook runs on.

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
from keras.ops import convert_to_numpy as as_array
from matplotlib.ticker import LogLocator, PercentFormatter

from cifar_utils.data import channel_statistics, load_cifar10, load_cifar10_test
from cifar_utils.evaluation import accuracy_interval, predict_probabilities
from cifar_utils.fast import whitening
from cifar_utils.models import build_model
from cifar_utils.notebook import check_answer
from cifar_utils.operations import operations
from cifar_utils.plotting import label_source, plot_images
from cifar_utils.pretrained import load_histories, load_trained
from cifar_utils.training import RECIPES, Recipe, train

# %% [markdown]
# ## Settings
#
# A small budget for the ladder, which trains many networks, and the full one for the last.

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
TEST_LIMIT = None
PATCH_IMAGES = 2_000  # whose patches are whitened
IMAGE = 39  # the training image that we look at
LADDER_IMAGES, LADDER_EPOCHS, LADDER_BATCH = 15_000, 5, 250
LADDER_SIDE, LADDER_SMALL = 16, 12  # pixels
LADDER_SEEDS = (0, 1, 2)
RUNGS = None  # how many to climb; None for all
EPOCHS, BATCH_SIZE = 12, 1_000  # of the last training

# %% [markdown]
# ## 1 The same network, half the mistakes
#
# A **recipe** is everything about a training but the network and the data: where the weights
# start, what the loss asks for, how far each step goes, when the steps become small. Here are two trainings of
# notebook 02's network, from the record of all our runs, the *ledger* [2]. Both take ten epochs.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
print(data)

# %% jupyter={"source_hidden": true} tags=["hide-input", "setup"]
# @title Two helpers for drawing
ORANGE, BLUE, GREEN = "#d55e00", "#0072b2", "#009e73"
plt.rcParams["font.size"] = 9


def panels(count=1, height=2.4, source=None, **options):
    """Axes side by side; `source` is the name of their data, such as data.name."""
    options = {"layout": "constrained", "squeeze": False} | options
    _, axes = plt.subplots(1, count, figsize=(8, height), **options)
    for ax in axes[0]:
        ax.spines[["top", "right"]].set_visible(False)
    label_source(axes[0, -1], source)
    return axes[0]


def draw_lines(ax, lines, **settings):
    """A line for each name, which stands at its right end."""
    for (name, y), colour in zip(lines.items(), (ORANGE, BLUE, GREEN), strict=False):
        ax.plot(y, color=colour)
        ax.annotate(f" {name}", (len(y) - 1, y[-1]), color=colour, va="center")
    room = 1 + 0.13 * len(ax.figure.axes)  # for the names
    ax.set(xlim=(0, room * len(y)), **settings)
    if ax.get_yscale() == "log":
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(LogLocator(subs=()))


# %%
for whose, name in (("its author's", "valid_cnn"), ("a better one", "valid_cnn_tuned")):
    work = sum(operations(build_model("valid_cnn"), name, images=45_000).values())
    wrong = 1 - load_histories(name)[0]["val_accuracy"][-1]
    told = f"{work / 1e12:.0f} million million operations, {wrong:.0%} mistakes"
    print(f"{whose:13} {told} on validation images")

# %% [markdown]
# No larger, no longer, and far better. The second recipe has the flips and crops of notebook 03, and seven of the nine ideas
# below, each the answer to a question:
#
# | when | the question | the idea | section |
# |---|---|---|---|
# | before the first step | what can we tell the network in advance? | whitening | 3 |
# | | where should it start? | small logits, identities | 4 |
# | at every step | what should it aim for? | label smoothing | 5 |
# | | how far should it go? | a rate that rises and falls | 2 |
# | | what should it forget? | decoupled weight decay | 6 |
# | | in which direction? | Muon | 7 |
# | along the way | must the last step be the best? | averaging | 8 |
# | | must every image be whole? | small images first | 9 |
# | after the last step | is one look enough? | six views | 10 |
#
# (It leaves out small images and six views, and does not shrink its logits.) From here on, *our network* is another one:
# `fast_cnn`, made to learn quickly. It has a first layer that is given, not learned; then six convolutions in three stages;
# then one linear layer. Section 11 tries the ideas on it one after the other. And in section 12 you train it with those that earn
# their place, for about three times the operations above. Then it gets nine out of ten right.
#
# ## 2 Why should the learning rate fall?
#
# Training moves each weight against its gradient, times the **learning rate**. But the gradient of
# a batch is not that of all images: it is the truth plus noise. Far from the bottom the truth is
# large, and the noise hardly matters. Near the bottom the truth shrinks to nothing, and the
# noise stays. The smallest example has two weights, and a bowl for its loss:


# %%
def noisy_gradient(place, rng):
    """Of the bowl (x² + 3y²) / 2, plus the noise that a batch brings."""
    return place * (1, 3) + rng.normal(0, 1, place.shape)


def descend(rates, walks=300):
    """Many walks at once, by SGD: shape (steps + 1, walks, 2)."""
    rng = np.random.default_rng(SEED)
    places = [np.full((walks, 2), (-4.0, 3.0))]
    for rate in rates:
        places.append(places[-1] - rate * noisy_gradient(places[-1], rng))
    return np.array(places)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
# @title Draw a walk
def draw_bowl(ax, path, title, colour, last=20):
    """A walk through the bowl, from above, its last steps in black."""
    x, y = np.meshgrid(np.linspace(-4.6, 1.6, 80), np.linspace(-2, 3.4, 80))
    ax.contour(x, y, x**2 + 3 * y**2, levels=np.geomspace(0.3, 30, 6), colors="0.8")
    ax.plot(*path.T, "o-", color=colour, markersize=2.5, linewidth=0.8, alpha=0.5)
    ax.plot(*path[-last:].T, "ko", markersize=3)
    ax.set(title=title, xticks=[], yticks=[])


# %% [markdown]
# And here are three **schedules** [8], ways to set the rate as training goes on, as shares of its
# peak. (The cosine is the one of notebooks 02 and 04.) The first cell draws
# them. **Before you run the second:** it walks 100 noisy steps by each schedule, and shows the constant and the triangle. The
# constant rate makes the longest steps nearly all the time. Will it end closest to the bottom?

# %% alt="Three schedules: constant, a triangle that rises quickly and falls slowly, and a cosine."
progress = np.arange(100) / 100
schedules = {
    "constant": np.ones(100),
    "triangle": np.minimum(0.2 + 8 * progress, (1 - progress) / 0.9),
    "cosine": (1 + np.cos(np.pi * progress)) / 2,
}
(ax,) = panels(height=2.2)
draw_lines(ax, schedules, xlabel="step", ylabel="rate / its peak")
ax.texts[1].set_y(0.08)  # clear of the name below

# %% alt="Two walks in a bowl: at a constant rate the last steps are spread about the bottom, with the triangle they lie close to it; its distance goes on falling."
walks = {name: descend(0.3 * rates) for name, rates in schedules.items()}
shown = ("constant", "triangle")
distances = {name: np.linalg.norm(walks[name], axis=2).mean(axis=1) for name in shown}
left, middle, right = panels(3)
draw_bowl(left, walks["constant"][:, 0], "constant rate", ORANGE)
draw_bowl(middle, walks["triangle"][:, 0], "triangle", BLUE)
draw_lines(right, distances, yscale="log", title="distance, mean of 300 walks")
_ = right.set_xlabel("step")

# %% [markdown]
# The constant walk arrives quickly, and then jumps about the bottom for ever: each step's noise
# undoes what the last one gained. The triangle's last steps are too short to
# jump. It *settles*: its black dots, the last twenty steps, lie closer together. And on the right,
# over many walks, the constant line soon stops falling, while the triangle's goes on to the end.
#
# So a falling rate is hare and tortoise in one: quick while there is ground to cover, careful
# when care is what counts. And the short rise at the start? At the first step a real
# network's weights are random, and its averages (momentum, batch normalisation) are empty. A few
# small steps let them fill. Remember the jumping: it has a part in the strangest curve of this notebook, in section 12.
#
# ## 3 What can we tell the network in advance?
#
# Point at any pixel of a photo and guess the colour of the one beside it. *The same* is nearly
# always a good guess. So most of what a network sees is repetition, and what is worth
# knowing, edges and textures, is a faint difference on top. Cut images into patches of
# 2 × 2 pixels. Each is twelve numbers: four pixels in three colours. First we compute how these
# vary together, their covariance:

# %%
mean, std = channel_statistics(data.x_train)
z = (data.x_train[:PATCH_IMAGES] / 255 - mean) / std
windows = np.lib.stride_tricks.sliding_window_view(z, (2, 2), axis=(1, 2))
patches = np.moveaxis(windows[:, ::2, ::2], 3, -1).reshape(-1, 12)  # colours last
covariance = patches.T @ patches / len(patches)
variances, patterns = np.linalg.eigh(covariance)
variances, patterns = variances[::-1], patterns[:, ::-1]  # the strongest first

# %% [markdown]
# The *eigenvectors* of the covariance are patterns that do **not** go together: knowing how much of one
# is in a patch, you can't predict on a straight line how much there is of another. The *eigenvalues* are their
# variances. **Whitening** describes a patch by its patterns instead of its pixels, and
# divides each by its strength, so that the faint ones can be heard:
#
# $$ \text{whitened}_i \;=\; \frac{\text{pattern}_i \cdot \text{patch}}{\sqrt{\text{variance}_i}} $$

# %% alt="Neighbouring pixels as a thin diagonal cloud and a matrix full of correlations; whitened, a round cloud and a diagonal alone."
filters = patterns / np.sqrt(variances + 5e-4)  # a little more, to tame the faintest
whitened = patches @ filters
axes = panels(4, height=2.3, source=data.name)
some = np.random.default_rng(SEED).choice(len(patches), 1_500)
axes[0].scatter(patches[some, 0], patches[some, 3], s=2, color=ORANGE)
axes[0].set(title="a pixel, its neighbour")
axes[2].scatter(whitened[some, 0], whitened[some, 4], s=2, color=BLUE)
axes[2].set(title="whitened 1 and 5")
for ax, numbers in ((axes[1], patches), (axes[3], whitened)):
    ax.imshow(np.corrcoef(numbers.T), vmin=-1, vmax=1, cmap="PuOr")
    ax.set(title="all correlations", xticks=[], yticks=[])
for ax in axes[::2]:
    ax.set(aspect="equal", xlim=(-4, 4), ylim=(-4, 4), xticks=(-4, 0, 4))

# %% [markdown]
# On the left, a needle: know the red of one pixel, and you nearly know its neighbour's. Beside it, the
# correlations of all twelve numbers, purple throughout (white is none): everything goes with everything. After
# whitening, the needle is a cloud, and only the diagonal is left: each number brings news.
#
# **Before you run the cell:** it shows the twelve patterns, the strongest first. What will that
# one look like?

# %% alt="Twelve patterns of 2 by 2 pixels: brightness, two colours, edges, a checkerboard, and faint coloured edges."
tiles = patterns.T.reshape(12, 2, 2, 3)
tiles = 0.5 + 0.5 * tiles / abs(tiles).max(axis=(1, 2, 3), keepdims=True)
shares = [f"{i}: {share:.2%}" for i, share in enumerate(variances / variances.sum(), 1)]
tiles = tiles.repeat(8, axis=1).repeat(8, axis=2)
ax = plot_images(tiles, shares, columns=6, data_name=data.name)

# %% [markdown]
# One shade all over: *how bright is it here?* That one pattern holds most of the variance (the
# percentages). Two more are a colour all over, two are edges, level and upright, one is a
# checkerboard. The last six are edges and checkerboards *in colour*, so faint that their share
# is next to nothing; whitening makes them nearly as loud as the first. A network that learns its first
# layer has to find such filters. Ours is *given* them, each also with the opposite sign. Training never
# changes these filters. It adjusts only their biases, and only in the first epoch; after that, no gradient has to go back to
# this layer.
#
# ## 4 Why start calmly?
#
# An untrained network knows nothing, and should say so: a tenth for each class. Cross-entropy is
# minus the logarithm of the right class's probability, so its first loss is
# $-\ln \tfrac{1}{10} = \ln 10 \approx 2.3$. Remember this number. It is the cheapest test there
# is: a training whose first loss is far from it starts with a mistake.


# %%
def untrained(calm=True, side=32):
    keras.utils.set_random_seed(SEED)
    options = {"statistics": (mean, std), "activation": "silu"}
    network = build_model("fast_cnn", input_shape=(side, side, 3), **options)
    if calm:
        corners = data.x_train[:5_000, :side, :side]  # to take the patches from
        whitening.initialize(network, corners)
    return network


images, labels = data.x_val[:250], data.y_val[:250]
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
first_loss = float(cross_entropy(labels, untrained().predict_on_batch(images)))
print(f"first loss {first_loss:.2f}, ln 10 = {np.log(10):.2f}")

# %% [markdown]
# To get there, our network divides its logits by nine, as does that of Keller Jordan, to whom we owe several of these ideas
# [1]. What if it shouted instead? **Before you
# run the cell:** it trains the network for 60 steps, on images of half the side, once as it
# is and once with logits ninety times as large. Will the loud one simply unlearn its first
# opinions, and catch up within these steps?


# %% alt="Losses of sixty steps: with loud logits far above the dashed line of a guess, with calm ones on it and then below."
def first_steps(louder, steps=60):
    network = untrained(side=16)
    learner = keras.Sequential([network, keras.layers.Rescaling(louder)])
    learner.compile(keras.optimizers.SGD(0.1, momentum=0.9), cross_entropy)
    losses = []
    for step in range(steps):
        rows = np.arange(128 * step, 128 * (step + 1)) % len(data.x_train)
        learner.reset_metrics()
        batch = data.x_train[rows, ::2, ::2], data.y_train[rows]
        losses.append(float(learner.train_on_batch(*batch)))
    return losses


(ax,) = panels(height=2.3, source=data.name)
losses = {"shouting": first_steps(90), "calm": first_steps(1)}
ax.axhline(np.log(10), color="0.5", linestyle="--")
draw_lines(ax, losses, yscale="log", xlabel="step", ylabel="loss of the batch")

# %% [markdown]
# At first it gets worse! The gradient grows with the logits, so the step that should take a
# random opinion back overshoots, and states another one, louder. Sixty steps later it is still far above the dashed line,
# the guess with which the calm network began.
#
# The second half of a calm start: let each layer begin by doing nothing. Where a convolution has
# as many filters as channels, filter $i$ starts as the **identity**: a 1 in the middle for
# channel $i$ and zeros everywhere else. Here is the middle of one kernel, a row a channel, a
# column a filter, as Keras starts it and as we do:

# %% alt="The middle of a kernel: coloured noise when random, a clean diagonal when it starts as identities."
axes = panels(2, height=2.5)
for ax, calm, title in zip(axes, (False, True), ("random", "identities"), strict=True):
    kernel = as_array(untrained(calm).get_layer("stage1_2_conv").kernel)
    most = abs(kernel).max()
    ax.imshow(kernel[1, 1], cmap="PuOr", vmin=-most, vmax=most)
    ax.set(title=title, xlabel="filter", ylabel="channel", xticks=[], yticks=[])

# %% [markdown]
# A random layer stirs its input, and the next one stirs the stirred. Layers of identities hand the
# whitened image on almost as it is, and learn what to add to it. If this reminds you of the shortcuts in
# [notebook 04](04_residual_network.ipynb): it is the same thought, put into the weights.
#
# ## 5 How sure is sure enough?
#
# Ask for probability 1, and no logits are ever large enough: the loss falls for ever as they
# grow. A network that already has every training image right can still lower its loss by
# shouting. **Label smoothing** [3] asks for a little less. It spreads a share $\varepsilon$ of the
# target over all ten classes:
#
# $$ t_k \;=\; (1 - \varepsilon) \cdot [k \text{ is the right class}] \;+\; \varepsilon / 10 $$


# %%
def smoothed(share, right_class=0, classes=10):
    target = np.full(classes, share / classes)
    target[right_class] += 1 - share
    return target


def loss_when(sure, target):
    """Cross-entropy, if the other nine classes share what is left."""
    return -target[0] * np.log(sure) - (1 - target[0]) * np.log((1 - sure) / 9)


# %% alt="Hard and smoothed targets as bars; their losses, of which the smoothed one has a bottom before certainty; and how sure two networks are, close to their targets."
left, middle, right = panels(3, source=data.name)
sure = np.linspace(0.02, 0.999, 400)
for share, colour, name in ((0.0, ORANGE, "hard"), (0.2, BLUE, "smoothed")):
    target = smoothed(share)
    left.bar(np.arange(10) + 2 * share, target, 0.4, color=colour)
    left.text(1, 0.9 - share, name, color=colour)
    loss = loss_when(sure, target)
    middle.plot(sure, loss - loss.min(), color=colour)
for name, share, colour in (("valid_cnn", 0.1, GREEN), ("fast_cnn", 0.2, BLUE)):
    largest = predict_probabilities(load_trained(name), data.x_val).max(axis=1)
    right.hist(largest, np.linspace(0, 1, 41), color=colour, histtype="step")
    right.axvline(smoothed(share)[0], color=colour, linestyle="--", linewidth=1)
    right.text(0.05, right.get_ylim()[1] * (0.6 + share), f"asked for {1 - share:.0%}")
    right.texts[-1].set_color(colour)
_ = left.set(title="targets", xlabel="class", ylabel="probability", xticks=range(10))
_ = middle.set(title="loss above its minimum", xlabel="probability", ylim=(0, 3))
_ = right.set(title="how sure two networks are", xlabel="largest probability")
_ = right.set_ylabel("validation images")

# %% [markdown]
# In the middle, the hard target's loss falls all the way to probability 1. The smoothed one has a
# bottom (each curve is shifted so that its lowest point is 0), and beyond it, being surer *costs*. On the right, two networks from the package
# obey: notebook 02's, by the better recipe, smoothed by a tenth (green), and ours, by two tenths (blue). Each piles up its answers close to its target, the dashed line (which has the right class's own
# share of $\varepsilon$ on top). The price: they claim less certainty than they have earned. (One number
# mends that, a *temperature*, by which the logits are divided.) What they gain is calm: nothing drives the logits to grow
# for ever.
#
# ## 6 What should a network forget?
#
# Weights that no longer help should fade: a large weight that does no good makes a network depend on accidents of its
# training images. **Weight decay** takes a small share off each weight at every step; $\lambda$ sets how much. One way is a penalty, which adds $\lambda w$ to the gradient. The **decoupled** way
# [4] leaves the gradient alone, and does it in a separate step, with the learning rate $\eta$:
#
# $$ w \leftarrow w - \eta \cdot \text{step}(\text{gradient}) \qquad\qquad w \leftarrow w - \eta \lambda w $$
#
# For plain SGD it makes no difference. For Adam it does: Adam divides each weight's gradient by its
# usual size, and a penalty inside the gradient is divided, too. Take weights that have nothing to
# learn, whose gradients are noise, quiet for some and loud for others. All should fade alike. (The cell has all of Adam in
# two lines: `m` and `v` are running averages of the gradient and of its square, and the powers make up for their start
# from zero.)


# %%
def fade(noise, decoupled, rate=0.01, decay=0.3):
    """Mean of 300 weights under Adam, whose gradients are nothing but noise."""
    rng, w, means = np.random.default_rng(SEED), np.ones(300), []
    m, v = np.zeros(300), np.zeros(300)
    for step in range(1, 601):
        gradient = rng.normal(0, noise, 300) + (0 if decoupled else decay * w)
        m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
        w = w - rate * (m / (1 - 0.9**step)) / np.sqrt(v / (1 - 0.99**step))
        w = w - (rate * decay * w if decoupled else 0)
        means.append(w.mean())
    return np.array(means)


# %% alt="Fading weights: with the penalty in the gradient quiet weights vanish much sooner than loud ones; decoupled, both lines are one."
axes = panels(2, height=2.3, sharey=True)
for ax, decoupled in zip(axes, (False, True), strict=True):
    lines = {"loud": fade(2.0, decoupled), "quiet": fade(0.05, decoupled)}
    title = "decoupled" if decoupled else "in the gradient"
    draw_lines(ax, lines, title=title, xlabel="step")
axes[1].texts[0].set_y(0.27)  # or it would lie under the other
_ = axes[0].set_ylabel("weight, on average")

# %% [markdown]
# Inside the gradient, the quiet weights vanish soon, and the loud ones fade far more slowly. Decoupled,
# both fade by the same law; the two lines are one. So every optimiser in this series decays in a
# separate step.
#
# ## 7 In which direction should a step go?
#
# So far we have set how *long* a step is. Now its direction; this is the newest of the nine ideas,
# from 2024 [5]. A layer is a matrix: numbers in, numbers out. Its gradient is a matrix, too, and
# you see what a matrix does when you send a circle through it:

# %% alt="A circle, and the thin ellipse that the gradient makes of it."
gradient = np.array([[2.8, 1.2], [0.4, 0.6]])
angles = np.linspace(0, 2 * np.pi, 60)
circle = np.stack([np.cos(angles), np.sin(angles)])


def send_circle_through(matrices):
    axes = panels(len(matrices), height=2.2)
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        ax.scatter(*(matrix @ circle), c=angles, cmap="twilight_shifted", s=9)
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
        ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))


shrunk = gradient / np.linalg.norm(gradient)
send_circle_through({"a circle": np.eye(2), "through the gradient": shrunk})

# %% [markdown]
# The circle has become a long thin ellipse. The lengths of its half-axes are the **singular
# values**. A step along this gradient changes the layer a lot in one direction, the loud one, and
# hardly in the other. But loud does not mean important! Brightness is louder than texture; in
# section 3 you saw by how much.
#
# **Muon** asks: what if we kept the ellipse's directions and made its axes equal, so that
# it is a circle again? (It does this to the momentum, the
# running average of the gradients, and its name says so: *momentum, orthogonalised*.) The **Newton–Schulz** iteration does it with
# matrix products alone. The idea in one number: between 0 and 1, $1.5\,s - 0.5\,s^3$ is larger than $s$, and 1 stays 1.
# Do it again, and $s$ climbs further. For a matrix $X$, the product $X X^\top X$ has the same directions, with each singular
# value cubed. So the same polynomial does this to all singular values at once:
#
# $$ X \;\leftarrow\; 1.5\,X - 0.5\,(X X^\top) X $$


# %% tags=["setup"]
def newton_schulz(matrix, steps, a=1.5, b=-0.5, c=0.0):
    """The same directions, with all singular values brought towards 1."""
    x = matrix / np.linalg.norm(matrix)  # no singular value is above 1
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x


# %% alt="The ellipse after 0, 2, 4 and 6 steps of Newton–Schulz: rounder each time, a circle at the end." tags=["nbval-check-output"]
rounder = {f"{n} steps": newton_schulz(gradient, n) for n in (0, 2, 4, 6)}
send_circle_through(rounder)
for name, matrix in rounder.items():
    print(name, "singular values", np.linalg.svd(matrix, compute_uv=False).round(2))

# %% [markdown]
# The needle swells to a circle. Look at the colours, too: they keep their order, and the ellipse keeps its axes. Only the
# lengths of the axes have changed. (`c` is 0 here. Muon's own polynomial is of fifth degree, with three numbers tuned
# to lift the faintest values fast; it is content to come near 1 [5].)
#
# Why is it good to step equally far in all directions? Let a layer learn a target from inputs
# that vary ten times as much along one axis as along the other, like brightness and texture.
# **Before you run the cell:** how far will plain gradient descent have come on the quiet axis when it is done with the
# loud one?

# %% alt="Errors along a loud and a quiet axis: gradient descent ends the loud one at once and hardly touches the quiet one; Muon ends both."
MUON = {"a": 3.4445, "b": -4.7750, "c": 2.0315}
target = np.array([[1.0, 0.6], [-0.6, 1.0]])


def learn(step_of):
    """The errors along the loud and the quiet axis, step by step."""
    layer, errors = np.zeros((2, 2)), []
    for rate in np.linspace(1, 0, 60):
        errors.append(np.linalg.norm(layer - target, axis=0))
        gradient = (layer - target) @ np.diag([1.0, 0.01])  # the inputs' variances
        layer = layer - rate * step_of(gradient)
    return dict(zip(("loud", "quiet"), np.array(errors).T, strict=True))


left, right = panels(2, height=2.4, sharey=True)
draw_lines(left, learn(lambda gradient: gradient), title="gradient descent")
muon_steps = learn(lambda gradient: 0.06 * newton_schulz(gradient, 3, **MUON))
draw_lines(right, muon_steps, title="Muon", xlabel="step")
right.texts[1].set_y(0.13)  # clear of the other
_ = left.set(xlabel="step", ylabel="error along an axis")

# %% [markdown]
# Gradient descent is done with the loud direction at once, and would need hundreds of steps for
# the quiet one. A larger rate is no way out: it would make the loud direction explode. Muon brings
# both home by the end, because its steps hardly know which is loud. And as its steps don't shrink
# with the gradient, it is the falling rate that brings them to rest, as in section 2.
#
# What has this to do with convolutions? A kernel of 3 × 3 windows, 128 channels and 128 filters
# looks at 9 · 128 numbers and gives 128. Flattened, it *is* a matrix, 1,152 × 128. Here is the
# gradient of a real one. (SGD at rate 1 moves a kernel by exactly its gradient, so we let it
# take one step, and look at what has changed.)

# %% alt="Singular values of a kernel's gradient, falling steeply, and after Newton–Schulz, nearly flat."
network = untrained()
kernel = network.get_layer("stage2_2_conv").kernel
before = as_array(kernel).copy()
network.compile(keras.optimizers.SGD(1.0), cross_entropy)
loss = network.train_on_batch(images, labels)
gradient = (before - as_array(kernel)).reshape(-1, 128)
steps = {"gradient": gradient, "Muon": newton_schulz(gradient, 3, **MUON)}
(ax,) = panels(height=2.4, source=data.name)
values = {name: np.linalg.svd(step, compute_uv=False) for name, step in steps.items()}
draw_lines(ax, {name: v / v[0] for name, v in values.items()}, yscale="log")
_ = ax.set(xlabel="direction, loudest first", ylabel="length / the loudest")

# %% [markdown]
# A few directions are loud, and most are far behind. After three rounds of Newton–Schulz, all of them take part. Biases,
# normalisation and the last layer are left to SGD: they are not matrices of this kind, or are too small to matter.
#
# ## 8 Must the last step be the best?
#
# Back to the bowl. At a constant rate the walk jumps about the bottom. But the *middle* of all
# those places is close to it! So keep two sets of weights: fast ones that walk, and slow ones that
# follow. Every few steps the slow ones move part of the way to the fast ones, and the walk goes on
# from there. This is **lookahead** [6]. Ours lets the slow weights hold back more and more towards
# the end [1]:


# %%
def descend_averaging(rates, every=5, walks=300):
    """As descend, but returns the slow weights: one place every few steps."""
    rng = np.random.default_rng(SEED)
    fast = np.full((walks, 2), (-4.0, 3.0))
    slow = [fast]
    for step, rate in enumerate(rates, start=1):
        fast = fast - rate * noisy_gradient(fast, rng)
        if step % every == 0:
            hold = 0.8 * (step / len(rates)) ** 3
            fast = hold * slow[-1] + (1 - hold) * fast
            slow.append(fast)
    return np.array(slow)


# %% alt="A walk that jumps about the bottom of a bowl, the slow weights that end close to it, and the distances of all three kinds of walks."
averaged = descend_averaging(0.3 * schedules["constant"])
left, middle, right = panels(3)
draw_bowl(left, walks["constant"][::5, 0], "every fifth step", ORANGE, last=5)
draw_bowl(middle, averaged[:, 0], "the slow weights", GREEN, last=5)
distances["averaged"] = np.linalg.norm(averaged, axis=2).mean(axis=1).repeat(5)[4:]
draw_lines(right, distances, yscale="log", title="distance, mean of 300 walks")
_ = right.set_xlabel("step")

# %% [markdown]
# At a rate that never fell, the slow weights end close to the bottom all the same. But averaging and a
# falling rate cure the same disease. A walk that has settled leaves little to average. We shall see whether the two
# together pay.
#
# ## 9 Must every image be whole?
#
# Early on a network learns coarse things: blue above, green below, something dark in the middle.
# For that it needs no full-size image. **Progressive resizing** [7] trains on small images first. A
# convolution doesn't ask how large its map is, so the same weights go on, later, on whole images.
# **Before you run the cell:** what does a step on 20 × 20 pixels cost, as a share of one on 32 × 32?


# %% tags=["setup", "nbval-check-output"]
def cost_of(recipe, images=45_000):
    """Operations of a whole training, without doing it."""
    options = {"statistics": channel_statistics(data.x_train), **recipe.model_options}
    network = build_model(recipe.model, **options)
    if recipe.initialization == "whitening":
        whitening.initialize(network, data.x_train)  # and freeze
    return sum(operations(network, recipe, images).values())


SIDES = (32, 28, 24, 20, 16, 12)
costs = [cost_of(replace(RECIPES["fast_cnn"], sides=((1.0, side),))) for side in SIDES]
for side, cost in zip(SIDES, costs, strict=True):
    print(f"{side} × {side} pixels: {cost / costs[0]:4.0%}")

# %% alt="A horse at 32, 28, 24, 20, 16 and 12 pixels, coarser each time."
axes = panels(6, height=1.9)
image = data.x_train[[IMAGE]].astype("float32")
for ax, side in zip(axes, SIDES, strict=True):
    ax.imshow(as_array(keras.layers.Resizing(side, side)(image))[0] / 255)
    ax.set_title(f"{side} pixels", fontsize=9)
    ax.axis("off")
label_source(ax, data.name)

# %% [markdown]
# Barely more than a third: the cost goes with the number of pixels. (A little less even, since pooling drops an odd row or
# column, and small maps have more of those.) At 20 pixels you can still tell the horse. Our recipe spends the first five
# of its twelve epochs there.
#
# ## 10 Is one look enough?
#
# A mirrored cat is a cat. So is a cat one pixel to the left. The network was trained to know this,
# but it doesn't quite: ask it about an image, its mirror image, and both shifted a little, and you
# get slightly different answers. Average them, and the accidents cancel [1]. (The two
# unshifted views count double.)


# %% alt="Six views of one photograph, shifted and mirrored, with the different probabilities that the network gives to the right class."
def six_views(image):
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    shifted = [padded[c : c + 32, c : c + 32] for c in (1, 0, 2)]
    return np.stack([view for one in shifted for view in (one, one[:, ::-1])])


views = np.stack([six_views(image) for image in data.x_val[:300]])
answers = predict_probabilities(load_trained("fast_cnn"), views.reshape(-1, 32, 32, 3))
answers = answers.reshape(-1, 6, 10)
truth = answers[np.arange(len(views)), :, data.y_val[: len(views)]]
pick = truth.std(axis=1).argmax()  # where the views disagree most
names = ("as it is", "mirrored", "down right", "mirrored", "up left", "mirrored")
titles = [f"{name}: {p:.0%}" for name, p in zip(names, truth[pick], strict=True)]
ax = plot_images(views[pick], titles, columns=6, data_name=data.name)
average = truth[pick] @ [1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8]
label = data.class_names[data.y_val[pick]]
print(f"how sure it is of the right class, {label}: {average:.0%} on average")

# %% [markdown]
# To your eye these six show the same thing. The network disagrees: above each is its probability for the right class. (We
# chose the image on which the views disagree most.) Six views need no further training, but they make every later answer
# six times as dear. So we always say whether an accuracy is of one view or of six; section 12 shows what they are worth.
#
# ## 11 The ladder: which of them help?
#
# Good stories, all of them. Which are true *here*? To find out, start from a plain recipe and add one idea at a time, or
# one group that belongs together, such as Muon, its rates and decay. As this trains many networks, the budget is
# small: a third of the images, at 16 × 16 pixels, for five epochs. And every rung gets three seeds, since a single run
# can't tell a gain from luck.

# %%
x_few, y_few = data.x_train[:LADDER_IMAGES], data.y_train[:LADDER_IMAGES]
few = replace(data, x_train=x_few, y_train=y_few)
ours = RECIPES["fast_cnn"].with_batch_size(LADDER_BATCH)
plain = replace(
    ours,
    epochs=LADDER_EPOCHS,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=0,
    schedule="constant",
    offset_rate=1,
    label_smoothing=0,
    normalization="unit",
    initialization="random",
    whitening_epochs=0,
    augmentation=(),
    sides=((1, LADDER_SIDE),),
)

# %%
muon = ("optimizer", "learning_rate", "muon_rate", "muon_momentum")
muon += ("offset_rate", "weight_decay")
small_first = ((0.42, LADDER_SMALL), (1.0, LADDER_SIDE))
rungs = {
    "plain: Adam": {},
    "+ triangle": {"schedule": "triangle", "learning_rate": 2e-3},
    "+ whitening, identities": {
        "normalization": "zscore",
        "initialization": "whitening",
    },
    "+ smoothing": {"label_smoothing": ours.label_smoothing},
    "+ Muon, decay": {name: getattr(ours, name) for name in muon},
    "+ crop and flip": {"augmentation": ours.augmentation},
    "+ small images first": {"sides": small_first},
    "+ averaging": {"lookahead": True},
}

# %% [markdown]
# All rungs train our network. (The triangle has twice the peak, so that its mean is about that of the constant rate. Crop
# and flip are notebook 03's. *Small* is 12 pixels here. Small logits are in all rungs, and six views in none.)
# **Before you run the cell**, which takes about eight minutes: which two rungs would you bet on?

# %%
results, recipe = {}, plain
for name, change in list(rungs.items())[:RUNGS]:
    recipe = replace(recipe, **change)
    runs = [train(recipe, few, seed, verbose=0) for seed in LADDER_SEEDS]
    accuracies = np.array([run.history["val_accuracy"][-1] for run in runs])
    results[name] = accuracies, runs[0].operations
    print(f"{name:24} {' '.join(f'{a:.1%}' for a in accuracies)}")

# %% alt="The ladder: validation accuracy by rung with a dot for each seed, the gain over the rung below, and the operations of each." jupyter={"source_hidden": true} tags=["hide-input"]
# @title The ladder, drawn
shape = {"sharey": True, "width_ratios": (4, 3, 2)}
bars, gains, costs = panels(3, height=3.2, source=data.name, **shape)
below = None
for row, (accuracies, cost) in enumerate(results.values()):
    rows = row + np.linspace(-0.2, 0.2, len(accuracies))  # or the dots would overlap
    bars.barh(row, accuracies.mean() - 0.1, left=0.1, color="#b9d6ea")
    bars.plot(accuracies, rows, "o", color=BLUE, markersize=4)
    if below is not None:
        gains.plot(accuracies - below, rows, "o", color=BLUE, markersize=5)
    costs.barh(row, cost / 1e12, color="0.75")
    below = accuracies
gains.axvline(0, color="0.5")
bars.set_yticks(range(len(results)), list(results))
bars.set(title="validation accuracy", xlim=(0.1, 0.85), xticks=(0.1, 0.3, 0.5, 0.7))
gains.set(title="gain over the rung below", xticks=(-0.03, 0, 0.03, 0.06))
costs.set(title="10¹² operations")
for ax in (bars, gains):
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))

# %% [markdown]
# Read the middle panel. A rung helps *clearly* if all of its dots lie to the right of the line, and
# farther from it than from each other. Four rungs do, each by several points: the **triangle**,
# **whitening with identities**, **Muon** with its rates, and **crop and flip**.
#
# **Smoothing** can't be told from nothing at this budget: its dots lie on the line or just beside it. **Small images
# first** cost a little accuracy, and the right panel shows what they buy: a fifth of the
# operations, which you can spend again on more epochs. And **averaging** adds nothing to a rate
# that falls already, and may cost a little; `fast_cnn`'s recipe does without.
#
# ## 12 All together
#
# Now the real thing: all images, and twelve epochs. The network is a small version of Jordan's [1]. First the whitening
# layer, then three stages of two convolutions with a pooling between them. The largest value of every map goes into a linear
# layer. For the activation it has SiLU, a ReLU with a soft knee.
#
# The recipe is this notebook, put together. Muon trains the kernels and keeps their norm fixed, so decay would do
# nothing there; only the last layer decays. One thing is new: the offsets of batch normalisation learn faster than the rest (`offset_rate`), which helps
# where epochs are few [1]. Train it. The cell says nothing until it is done, so read on meanwhile.

# %%
recipe = RECIPES["fast_cnn"].with_batch_size(BATCH_SIZE)
run = train(replace(recipe, epochs=EPOCHS), data, SEED, verbose=0)
print(f"{run.seconds / 60:.1f} minutes, ", end="")
print(f"{run.operations / 1e12:.0f} million million operations")

# %% alt="Training accuracy rises steadily; validation accuracy stays low for two thirds of the epochs, then shoots up to meet it."
(ax,) = panels(height=3, source=data.name)
names = {"training": "accuracy", "validation": "val_accuracy"}
curves = {name: [np.nan, *run.history[key]] for name, key in names.items()}
draw_lines(ax, curves, xlabel="epoch", ylim=(0, 1), xticks=range(1, EPOCHS + 1))
for first, end, side in run.recipe.phases():
    ax.axvspan(first + 0.5, end + 0.5, color=f"{0.8 + side / 160}", zorder=0)
ax.texts[1].set_y(0.98)  # or the two names would touch
ax.text(0.6, 0.97, "small images", color="0.4", va="top")
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

# %% [markdown]
# What a curve! For two thirds of the training the validation accuracy is a disaster, while the
# training accuracy climbs as if nothing were wrong. Then, within a few epochs, the two come close. Had
# you looked in after epoch six, you would have stopped it.
#
# The clue is what differs between the two. In training, batch normalisation uses the mean and
# variance of the *batch*. In validation it uses running *averages* over past batches. While the
# rate is high, each of Muon's steps changes the weights so much that these averages describe a
# network that is gone: they **lag behind**. If that is so, then a network in the middle of its
# training should be good with the batch's own statistics, and bad with the averages. Train one at
# the peak rate for two epochs, and ask it both ways:

# %%
hot = replace(recipe, epochs=2, schedule="constant", sides=())
model = train(hot, data, SEED, verbose=0).model
for training, which in ((False, "running averages"), (True, "the batch's own")):
    batches = (data.x_val[i : i + 500] for i in range(0, len(data.x_val), 500))
    logits = [as_array(model(batch, training=training)) for batch in batches]
    right = np.concatenate(logits).argmax(axis=1) == data.y_val
    print(f"{which}: {right.mean():.0%} of the validation images")

# %% [markdown]
# The same weights, the same images. The network is much better than it looks; its averages are late. (In the first epochs
# of the curve, something else comes on top: the network was trained on small images and is asked about whole ones.) As the
# rate falls, the weights slow down, the averages catch up, and the curve shoots upwards. Here, too, calm comes only when the
# jumping stops. So never judge a recipe with a falling rate by the middle of its curve.
#
# Everything is decided. Open the test set, once:

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
for count in (1, 6):
    probabilities = predict_probabilities(run.model, x_test, views=count)
    interval = accuracy_interval(y_test, probabilities.argmax(axis=1))
    print(f"test, {count} view(s): {interval} of {data.name}")

# %% [markdown]
# Past 90 %, on a processor, in minutes. In our ledger, ten such runs on all 50,000 training images reach
# 91.3 ± 0.1 % [2] with one view, and 92.4 ± 0.2 % with six [2]: their mean, and its 95 % interval.
# Even these minutes are too many. Notebook 06 makes the same training faster, without changing what it learns.
#
# ## Check your understanding
#
# **1.** A colleague's first loss, on ten classes, is 9. What do you tell them?
#
# <details><summary>Answer</summary>That their untrained network has strong opinions: a calm one
# starts at ln 10 ≈ 2.3. Look for logits that are too large, or pixels that were not
# scaled.</details>
#
# **2.** Muon makes all directions of a step equally long. What would happen without a falling rate?
#
# <details><summary>Answer</summary>The steps would never become small, however small the gradient
# is. The weights would jump about for ever, like the constant walk in the bowl.</details>
#
# **3.** A change gains half a point in one run. What do you do before you keep it?
#
# <details><summary>Answer</summary>Run it with more seeds, with and without. Two runs that differ
# by the seed alone are often that far apart.</details>

# %% [markdown]
# ## How far to trust this
#
# The ladder has one order, three seeds and a small budget: another order would share the gains out
# differently, and what does nothing in five epochs on small images can matter in a longer
# training. Rates and amounts were tuned for the full recipe, not for the plain one, on these
# validation images. The last network is one run; the ledger's five say how much runs differ. The
# bowl explains, but proves nothing about networks. The networks of section 1 are one run each.
#
# ## Three takeaways
#
# 1. The same network with a better recipe makes less than half the mistakes. How a training *starts*, in which
#    *direction* it steps and how it *comes to rest* decide what the same layers can do.
# 2. Let the rate fall to zero, and judge a training only when it has.
# 3. Change one thing at a time where you can, with several seeds, and believe the dots, not the story.
#
# | idea | what it does | its cost in training | in `fast_cnn` |
# |---|---|---|---|
# | falling rate | lets the weights settle | none | yes |
# | whitening, given | makes faint patterns heard | less than none: no gradients | yes |
# | calm start | leaves no opinions to unlearn | none | yes |
# | label smoothing | gives no reward for shouting | none | yes |
# | decoupled decay | lets all weights fade alike | none | last layer |
# | Muon | steps equally far in all directions | products of small matrices | yes |
# | averaging | finds the middle of the jumps | next to none | no |
# | small images first | learns coarse things for little | saves a fifth or more | yes |
# | six views | lets accidents cancel | none, but six looks each later | as you like |

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 05](solutions/05_a_better_recipe.ipynb).
#
# **Why?** Each of the twelve whitening filters is there twice, the second time with the opposite
# sign. Why is that no waste?
#
# <details><summary>Answer</summary>What follows is an activation, and it lets hardly anything below
# zero through. "Bright on the left" would be heard; "bright on the right", the same pattern with a
# minus, would be lost. With both signs, one of the two always speaks.</details>

# %% [markdown]
# **Exercise 1 ★** Some recipes keep the rate at its peak for most of the training. Write
# `trapezoid(t, rise, fall)`, the rate at progress `t` as a share of its peak. It rises in a
# straight line from 0 at the beginning to 1 at progress `rise`, stays there, and during the last
# share `fall` of the training falls in a straight line to 0.


# %% tags=["answer-1"]
def trapezoid(t, rise, fall):
    return None  # your answer: a number from 0 to 1


# %% tags=["check-1"]
cases = [((0.0, 0.1, 0.4), 0), ((0.05, 0.1, 0.4), 0.5), ((0.4, 0.1, 0.4), 1)]
cases += [((0.9, 0.1, 0.4), 0.25), ((0.75, 0.5, 0.5), 0.5), ((1.0, 0.2, 0.2), 0)]
check_answer(1, trapezoid, cases, "It is the smallest of three straight lines.")

# %% [markdown]
# **Exercise 2 ★★** Newton–Schulz comes near; a decomposition is exact. With
# $G = U S V^\top$, the orthogonalised matrix is $U V^\top$. Write `orthogonalize(matrix)` with
# `np.linalg.svd`. How far from it is `newton_schulz` after 3, 6 and 12 steps, for a random matrix
# of 50 × 20 numbers? And for the same matrix with one column copied onto another?


# %% tags=["answer-2"]
def orthogonalize(matrix):
    return None  # your answer: an array of the matrix's shape


# %% tags=["check-2"]
cases = [((np.array([[3.0, 0], [0, 0.5]]),), [[1, 0], [0, 1]])]
cases += [((np.array([[4.0, 3], [-3, 4]]),), [[0.8, 0.6], [-0.6, 0.8]])]
cases += [((np.array([[0, 2.0], [-7, 0], [0, 0]]),), [[0, 1], [-1, 0], [0, 0]])]
hint = "Ask svd for full_matrices=False; its third result is transposed already."
check_answer(2, orthogonalize, cases, hint)

# %% [markdown]
# **Exercise 3 ★★★** *An open challenge.* On 45,000 images, `fast_cnn`'s recipe takes 0.073 PFLOP,
# as the ledger calls 73 million million operations, and gets past 90 % of the validation images. **Reach 90 %
# with fewer.** Write `challenger()`, which returns a `Recipe`: other widths (`model_options`),
# fewer epochs, smaller sides, another network of `cifar_utils.models`, whatever you like. The check
# counts its operations; whether it reaches 90 %, `train(challenger(), data, seed)` tells you. One
# seed is a start, three are a result.


# %% tags=["answer-3"]
def challenger():
    return None  # your answer: a Recipe


# %% tags=["check-3"]
def cheaper(recipe):
    if not isinstance(recipe, Recipe):
        return "it returns no Recipe"
    share = cost_of(recipe) / cost_of(RECIPES["fast_cnn"])
    return None if share < 1 else f"it costs {share:.0%} of fast_cnn's operations"


hint = "Begin with replace(RECIPES['fast_cnn'], epochs=…)."
check_answer(3, challenger, [((), cheaper)], hint)

# %% [markdown]
# ## References
#
# 1. K. Jordan, [94 % on CIFAR-10 in 3.29 Seconds on a Single GPU](https://arxiv.org/abs/2404.00498), 2024; whitening, identities, lookahead and six views as here.
# 2. The [ledger](../results/README.md) of this series.
# 3. C. Szegedy et al., [Rethinking the Inception Architecture for Computer Vision](https://arxiv.org/abs/1512.00567), 2016 (label smoothing).
# 4. I. Loshchilov and F. Hutter, [Decoupled Weight Decay Regularization](https://arxiv.org/abs/1711.05101), 2019.
# 5. K. Jordan et al., [Muon: An optimizer for hidden layers in neural networks](https://kellerjordan.github.io/posts/muon/), 2024.
# 6. M. Zhang et al., [Lookahead Optimizer: k Steps Forward, 1 Step Back](https://arxiv.org/abs/1907.08610), 2019.
# 7. C. Coleman et al., [DAWNBench](https://dawn.cs.stanford.edu/dawnbench), 2018: the competition in which J. Howard's team made progressive resizing known.
# 8. L. N. Smith and N. Topin, [Super-Convergence](https://arxiv.org/abs/1708.07120), 2019 (rates that rise and fall).
#
# **Previous:** [04 · A residual network](04_residual_network.ipynb)
# **Next:** [06 · Train faster](06_train_faster.ipynb)
