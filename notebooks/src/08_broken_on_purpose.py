# %% [markdown]
# # 08 · Broken on purpose
#
# **A friend sends you the log of a training, and asks what is wrong with it:**
#
# ```
# epoch  1   loss 2.14   accuracy 10.0 %
# epoch  4   loss 1.62   accuracy 10.0 %
# epoch  7   loss 1.37   accuracy 10.0 %
# epoch 10   loss 1.19   accuracy 10.0 %
# ```
#
# **The loss falls, so the network learns. The accuracy does not move, not by a single image.
# Nothing has crashed, and nothing has warned. Do you have a suspicion? It will be our eighth case. We shall break or bend a training in ten ways, mostly by one line that looks innocent, and each time you are the detective.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/08_broken_on_purpose.ipynb)
#
# **You will learn** to read symptoms, to suspect the right line, to prove it by a small test, and
# to tell a network that is bad from a measurement that lies.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb) for logits and batch normalisation, and
# [notebook 03](03_data_augmentation.ipynb) for augmentation and seeds.
#
# **Runtime** about 10 minutes on two processor cores, and less on a GPU.
#
# ## Setup
#
# One folded cell installs the series' helper package on Colab and imports what we need. Its output
# is one line: what this notebook runs on.

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

import codecs
import warnings
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cifar_utils.augmentation import PadCropFlip
from cifar_utils.data import channel_statistics, load_cifar10
from cifar_utils.evaluation import mean_interval
from cifar_utils.fast.pipeline import untuned
from cifar_utils.plotting import label_source, plot_images

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.45"
verdicts = {}  # of each case: accuracies with the mistake, and honest ones


def in_percent(axis):
    """Percent on an axis of a plot, and no frame around it."""
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.axes.spines[["top", "right"]].set_visible(False)


def draw(ax, lines, label, source):
    """For each name: a thin line a seed, and their mean in bold."""
    for values, colour in lines.values():
        epochs, mean = np.arange(1, len(values[0]) + 1), np.mean(values, axis=0)
        ax.plot(epochs, np.transpose(values), color=colour, lw=0.8, alpha=0.4)
        ax.plot(epochs, mean, color=colour, lw=2.5)
    ends = {name: np.mean(values, axis=0)[-1] for name, (values, _) in lines.items()}
    (low, high), below = ax.get_ylim(), -np.inf
    for name in sorted(ends, key=ends.get):  # names that would touch move up
        below = max(ends[name], below + 0.08 * (high - low))
        place, colour = (1.02 * epochs[-1], below), lines[name][1]
        ax.annotate(name, place, color=colour, va="center", annotation_clip=False)
    ax.set(xlabel="epoch", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    label_source(ax, source)


def dots(ax, kinds, label, source):
    """For each name a row: a dot a seed, and a stroke at their mean."""
    for row, (values, colour) in enumerate(kinds.values()):
        values = np.asarray(values)
        ax.plot(values, np.full(len(values), row), "o", color=colour, alpha=0.5, ms=7)
        ax.plot(values.mean(), row, "|", color=colour, ms=26, mew=3)
        shown = f"{values.mean():.1%}".replace("%", " %")
        ax.text(values.mean(), row - 0.36, shown, color=colour, ha="center")
    ax.set(yticks=range(len(kinds)), yticklabels=kinds, xlabel=label)
    ax.set_ylim(len(kinds) - 0.5, -0.75)
    ax.margins(x=0.1)
    in_percent(ax.xaxis)
    label_source(ax, source)


# %% [markdown]
# ## Settings
#
# These are the values of a real run; a quick test of the notebook uses smaller ones. A *seed* decides everything that is
# random in a training. We train with several of them, because a single training can be luck.

# %% tags=["parameters"]
SEED = 0
IMAGES = 3_000  # to train with
HELD = 4_000  # images kept out of the training: half for validation, half as an exam
SEEDS = (0, 1, 2, 3, 4)
FEW_SEEDS = (0, 1, 2)  # where trainings take longer
MORE_SEEDS = (5, 6, 7, 8, 9, 10, 11)  # for later cases
EPOCHS = 12
BATCH = 64
RATE = 3e-3
CAR = 31  # the image that we look at in case three
ALBUM = 500  # images of cases three and seven
ALBUM_EPOCHS = 50
HEART_EPOCHS = 150  # to learn one batch by heart
DRAWS = 1_000  # random exams

# %% [markdown]
# ## 1 The loss that would not go to zero
#
# *Three cases of trainings that go badly come first. They are the easy ones: you can see that
# something is wrong.*
#
# All ten cases use the same images and the same network. Here they are. To save time, our pictures are small: each block of
# 2 × 2 pixels of a CIFAR-10 image becomes one pixel. And we have few of them.
#
# An **exam** is set aside, too: images which never take part in a training, and which tell us how good a
# network really is. Why don't we take the test set? Because we are about to abuse our exam in every way
# we can think of. We cut it from the official *training* images, and the test set stays sealed.

# %% tags=["setup"]
data = load_cifar10(val_size=HELD, seed=SEED, limit=IMAGES)


def shrunk(images):
    """Half as wide and half as high: the means of blocks of 2 × 2 pixels."""
    blocks = images.reshape(len(images), 16, 2, 16, 2, 3)
    return blocks.mean(axis=(2, 4)).round().astype("uint8")


x_train, y_train = shrunk(data.x_train), data.y_train
by_class = np.argsort(data.y_val, kind="stable")
rows = np.concatenate([by_class[::2], by_class[1::2]])  # as many of each class
x_held, y_held = shrunk(data.x_val[rows]), data.y_val[rows]
VAL, EXAM = slice(HELD // 2), slice(HELD // 2, None)
print(f"{len(x_train):,} images to train with, from {data.name};", end=" ")
print(f"{len(y_held[VAL]):,} for validation, {len(y_held[EXAM]):,} for the exam")

# %% [markdown]
# Here is the network that will suffer. It is small and ordinary. Its first layer scales the pixels, and its ten outputs are *logits*: one number for each class, of any size.
#
# Below it is how we train. After each epoch we keep in `named` which class the network gives to each image that was held
# back. Some cases need an extra: another `loss`, an `augment` for the training batches, or a function `watch` that is called with the network after each epoch. (`untuned` avoids the waiting that notebook 06 is about.)


# %% tags=["setup"]
def network(*first, normalise=False, bias=True, last=()):
    """Two convolutions, two dense layers; `first` scales pixels, from 0 to 255."""
    stack = [keras.Input((16, 16, 3)), *(first or [layers.Rescaling(1 / 255)])]
    for width in (24, 48):
        stack.append(layers.Conv2D(width, 3, padding="same", use_bias=bias))
        if normalise:
            stack.append(layers.BatchNormalization(momentum=0.9))
        stack += [layers.ReLU(), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)]
    return keras.Sequential([*stack, *last])


def classes(model, images):
    return np.argmax(model(images, training=False), axis=1)


def score(run, part=EXAM):
    """Share of right answers to a part of the held images, after each epoch."""
    return np.mean(np.array(run.named)[:, part] == y_held[part], axis=1)


# %% tags=["setup"]
def train(build, x=x_train, y=y_train, seed=SEED, epochs=EPOCHS, **extras):
    keras.utils.set_random_seed(seed)
    model = build()
    default = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = extras.get("loss", default)
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(y)).batch(BATCH)
    if augment := extras.get("augment"):
        batches = batches.map(lambda x, y: (augment(x, training=True), y))
    run = SimpleNamespace(model=model, loss=[], accuracy=[], named=[], seen=[])
    for _ in range(epochs):
        log = model.fit(untuned(batches), shuffle=False, verbose=0).history
        run.loss += log["loss"]
        run.accuracy += log["accuracy"]
        run.named.append(classes(model, x_held))
        if watch := extras.get("watch"):
            run.seen.append(watch(model))
    return run


# %% [markdown]
# We begin with five honest trainings, `train(network, seed=seed)` with five seeds, which we shall need all day. Then five more with one
# line changed. (The folded cell has both. Don't unfold it yet.)


# %% alt="Training loss by epoch: the honest trainings fall steadily, the broken ones flatten out high above." jupyter={"source_hidden": true} tags=["hide-input"]
def trusting(labels, outputs):
    """TensorFlow's own cross-entropy, which takes its input for logits."""
    labels = tf.cast(labels, "int64")
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)


def with_softmax():
    return network(last=[layers.Softmax()])


honest = [train(network, seed=seed) for seed in SEEDS]
softmaxed = [train(with_softmax, seed=seed, loss=trusting) for seed in SEEDS]
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
lines = {
    "broken": ([run.loss for run in softmaxed], ORANGE),
    "honest": ([run.loss for run in honest], BLUE),
}
draw(ax, lines, "training loss", data.name)

# %% [markdown]
# **The symptom.** (Thin lines are single trainings, the bold one is their mean.) The blue lines fall and go on falling. The orange ones fall, too, but so slowly that you would like to
# give them a push. The data, the convolutions, the optimiser are the same; the change is small. **Before you read on:** what would you suspect?
#
# <details><summary>The usual suspects</summary>A learning rate that is too small, weights that start badly, wrong labels, a
# last layer that squeezes its outputs, a loss that expects something else. How would you tell them apart? Make the task so easy that
# no network can fail.</details>
#
# So let us make it easy. We give both networks a few dozen images and all the time they want, to learn them by heart. An
# honest loss then goes to zero.
#

# %% alt="Training loss on a few dozen images: the honest one goes to zero, the broken one stops at a dashed line, at about 1.46." jupyter={"source_hidden": true} tags=["hide-input"]
dozens = {"x": x_train[:BATCH], "y": y_train[:BATCH], "epochs": HEART_EPOCHS}
by_heart = train(network, **dozens), train(with_softmax, **dozens, loss=trusting)
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
lines = {"broken": ([by_heart[1].loss], ORANGE), "honest": ([by_heart[0].loss], BLUE)}
draw(ax, lines, "training loss", data.name)
ax.axhline(np.log(1 + 9 / np.e), color=GREY, ls="--", lw=1)
ax.text(HEART_EPOCHS, 1.36, "1.46", color=GREY, va="top", ha="right")
runs = {f"broken, seed {seed}": run for seed, run in zip(SEEDS, softmaxed, strict=True)}
runs |= {"broken, by heart": by_heart[1], "honest, by heart": by_heart[0]}
for name, run in runs.items():
    end = run.loss[-1], run.accuracy[-1]
    print("{}: loss {:.2f} + accuracy {:.2f} = {:.2f}".format(name, *end, sum(end)))

# %% [markdown]
# The honest loss goes to zero. The broken one comes to rest in mid-air, above the dashed line, with some images still wrong. A slow
# training would not stop. Then look at the sums, of the broken trainings in the first figure and of this one. They all come out
# nearly the same. **Before you read on:** how can a loss and an accuracy add up to a constant?
#
# **The culprit.** Somebody has put a *softmax* at the end of the network. It turns ten logits into
# ten probabilities, which is a fine thing to do once. But the loss (`trusting` in the folded cell, TensorFlow's `sparse_softmax_cross_entropy_with_logits`) expects logits, and applies a softmax of its own. So it takes probabilities for logits, and these lie between zero and one. Now imagine a network that is
# right and perfectly sure: a one for the right class, nine zeros. The second softmax makes of it
#
# $$ -\log \frac{e^1}{e^1 + 9\,e^0} \;=\; \log\!\left(1 + \frac{9}{e}\right) \;\approx\; 1.46 $$
#
# That is the floor, the dashed line: no training can get below it. And if it is sure but wrong, the upper $e^1$ becomes $e^0$, and the loss is
# exactly one more, 2.46. So once a network is sure of everything, its loss is 2.46 minus the share of right answers. **There are your sums.** (And an
# image that is wrong with certainty sends back no gradient: the first softmax is flat there. It stays wrong.)
#
# Now feed ten perfect answers to the loss. You may wonder why we take TensorFlow's own loss function, and not Keras'. We had to. When we
# tried this case with Keras' loss and `from_logits=True`, the broken training came out *the same* as the honest one. **Before you run the cell:** how
# can that be?

# %% tags=["nbval-check-output"]
perfect, right = layers.Softmax()(50 * tf.eye(10)), np.arange(10)
print(f"TensorFlow's loss of perfect answers: {np.mean(trusting(right, perfect)):.2f}")
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(f"Keras' loss of the same answers:      {loss(right, perfect):.2f}")
print(str(caught[-1].message)[1:] if caught else "no warning")

# %% [markdown]
# Keras on TensorFlow remembers which tensors came out of its softmax, looks behind it, and takes the logits.
# It tells you in a warning, which is easily lost in the output of a training. That is helpful, but don't rely on it: TensorFlow's own function takes you at your word, as do PyTorch's
# `CrossEntropyLoss` and Keras on JAX.
#
# What did it cost? Each dot is a seed, and the bar is their mean.


# %% alt="Exam accuracy of honest trainings and of those with a second softmax, which is lower." jupyter={"source_hidden": true} tags=["hide-input"]
def last(runs, part=EXAM):
    """Accuracies after the last epoch, one a run."""
    return np.array([score(run, part)[-1] for run in runs])


verdicts["softmax twice"] = last(softmaxed), last(honest)
fig, ax = plt.subplots(figsize=(7, 1.9), layout="constrained")
kinds = {"softmax twice": (last(softmaxed), ORANGE), "once": (last(honest), BLUE)}
dots(ax, kinds, "exam accuracy after the last epoch", data.name)

# %% [markdown]
# It learns, only badly, and that is what makes it a good crime: an accuracy that is merely
# disappointing starts no investigation. The loss is the better witness. **First test: let the network learn one batch by heart. If
# the loss doesn't go to zero, find out why.**
#
# ## 2 One mistake, two symptoms
#
# Two colleagues train our network, the second one with batch normalisation. Both prepare their images by the same function, which
# they found in an older project. They bring you these curves:


# %% alt="Left: training accuracy, honest and rising, or stuck at one in ten. Right: training accuracy rises, validation accuracy stays near one in ten." jupyter={"source_hidden": true} tags=["hide-input"]
def prepared(images):
    return images.astype("float32") / 255


def normalised():
    return network(normalise=True)


def watch_prepared(model):
    return np.mean(classes(model, prepared(x_held[VAL])) == y_held[VAL])


twice = {"x": prepared(x_train), "watch": watch_prepared}
first = [train(network, **twice, seed=seed) for seed in SEEDS]
second = [train(normalised, **twice, seed=seed) for seed in FEW_SEEDS]
options = {"layout": "constrained", "sharey": True}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), **options)
lines = {
    "honest": ([run.accuracy for run in honest], BLUE),
    "theirs": ([run.accuracy for run in first], ORANGE),
}
draw(axes[0], lines, "training accuracy", data.name)
lines = {
    "training": ([run.accuracy for run in second], ORANGE),
    "validation": ([run.seen for run in second], GREY),
}
draw(axes[1], lines, "accuracy", data.name)
axes[0].set_title("without normalisation")
axes[1].set_title("with normalisation")
in_percent(axes[0].yaxis)
in_percent(axes[1].yaxis)

# %% [markdown]
# **The symptom.** On the left, nothing is learnt at all: one in ten is what guessing scores. On the right the training images are learnt
# nicely, and the validation images are guessed. **Before you read on:** which single mistake can do both?
#
# <details><summary>A hint</summary>Look at the first layer of <code>network</code>. In which range do the pixels
# arrive there, and in which do they leave?</details>
#
# **The culprit.** The function divides by 255, and so does the first layer of the network. So white
# arrives at the first convolution as one 255th, and black as zero. To it, every image is black. It would have to grow huge weights before anything can be told apart,
# and the training is over long before. That explains the left side.
#
# Batch normalisation divides each map by its own spread, so it should forgive any factor. In training it
# does. For validation, it takes *running* means and variances, collected on the way (notebook 02). Are those to
# blame? We ask the same networks twice about the same images: once by the running statistics, once by those of the
# batch. Then we look at two numbers inside.


# %%
for run in second:
    answers = run.model(prepared(x_held[VAL]), training=True)  # normalised by the batch
    by_batch = np.mean(np.argmax(answers, axis=1) == y_held[VAL])
    print(f"running statistics {run.seen[-1]:.0%}, those of the batch {by_batch:.0%}")

convolution, normalisation = second[0].model.layers[1:3]
signal = np.sqrt(normalisation.moving_variance).mean()
print(f"biases {np.std(convolution.bias):.4f}, the signal itself {signal:.4f}")

# %% [markdown]
# Caught: the networks are fine, their running statistics are not. But why? Each convolution adds a *bias* to its maps, and the normalisation behind it subtracts it again. So the bias has no
# effect, and its gradient is zero, but for rounding errors. Adam divides each gradient by its typical size, so even rounding errors become full-size steps,
# and the bias drifts. The running mean lags behind the drift. Normally the lag is tiny compared with the signal. But look at the last line. The biases spread far more widely than the signal, so a small lag drowns it.
#
# Take the biases away, which a normalised network does not need anyway, and the
# division by 255 really is forgiven.
#
# Forgiven, until somebody else loads the network and gives it ordinary pixels. Or the other way round:
# an honest network is put behind that function. **Before you run the cell:** what will be left? ("Once" and "twice" count the divisions by 255. In the grey
# rows, training and use differ.)


# %% alt="Exam accuracies: good when divided once, or twice without biases; near one in ten when divided twice with biases, and poor when training and use differ." jupyter={"source_hidden": true} tags=["hide-input"]
def unbiased():
    return network(normalise=True, bias=False)


def used(runs, images):
    """Exam accuracy of finished networks on images prepared in some way."""
    answers = [classes(run.model, images) for run in runs]
    return np.array([np.mean(answer == y_held[EXAM]) for answer in answers])


x_exam = x_held[EXAM]
once = [train(normalised, seed=seed) for seed in FEW_SEEDS]
forgiven = [train(unbiased, **twice, seed=seed) for seed in FEW_SEEDS]
kinds = {
    "divided once": (last(once), BLUE),
    "divided twice": (used(second, prepared(x_exam)), ORANGE),
    "divided twice, no biases": (used(forgiven, prepared(x_exam)), ORANGE),
    "no biases: trained twice, used once": (used(forgiven, x_exam), GREY),
    "trained once, used twice": (used(once, prepared(x_exam)), GREY),
}
fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
dots(ax, kinds, "exam accuracy of normalised networks", data.name)
ax.set_xlim(0, 0.65)
verdicts["divided twice"] = used(first, prepared(x_exam)), last(honest)
verdicts["divided twice, normalised"] = kinds["divided twice"][0], last(once)

# %% [markdown]
# The grey rows are the damage that no training log shows. **Training and use must prepare pixels alike**, and the safest way is a layer inside the network, and nowhere else: then there is nothing to remember. **First test: print the smallest and
# the largest number that reaches the first convolution, in training and in use.**
#
# ## 3 The crop that did nothing
#
# A network learns its album by heart (notebook 03), so somebody adds a random crop to the
# training. To see it well, we take a smaller album and more epochs. Here is the end of the log, before and after:

# %%
few = {"x": x_train[:ALBUM], "y": y_train[:ALBUM], "epochs": ALBUM_EPOCHS}
crop = layers.RandomCrop(16, 16, seed=SEED)
crops = {"no crop": [train(network, **few, seed=s) for s in FEW_SEEDS]}
crops["the new crop"] = [train(network, **few, seed=s, augment=crop) for s in FEW_SEEDS]
for name, runs in crops.items():
    shown = ", ".join(f"{run.loss[-1]:.4f}" for run in runs)
    print(f"{name:14} training loss of the seeds: {shown}")

# %% [markdown]
# **The symptom.** A random crop makes training harder, so the loss should end higher. It doesn't. On a
# processor it even comes out the same to the last digit. **Before you run the next cell:** what can a
# crop be doing that changes nothing at all?
#
# Don't argue, look. Always look at what an augmentation does to *one* image, several times. We
# give three candidates eight copies of one picture.


# %% alt="Three rows of eight copies of a picture: unchanged, all moved alike, each moved differently."
bus = [layers.ZeroPadding2D(2), layers.RandomCrop(16, 16, seed=SEED)]
candidates = {"RandomCrop": crop, "padding before it": keras.Sequential(bus)}
candidates["PadCropFlip"] = PadCropFlip(2, flip="none", seed=SEED)
copies = np.repeat(x_train[CAR][None], 8, axis=0)
rows = [layer(copies, training=True) for layer in candidates.values()]
titles = [word for name in candidates for word in [name] + 7 * [""]]
pictures = np.concatenate(rows).astype("uint8")
ax = plot_images(pictures, titles, columns=8, data_name=data.name)

# %% [markdown]
# **The culprit** is in the first row. `RandomCrop` cuts a window of the size that you name out of the picture. Our pictures
# have 16 × 16 pixels, and a window of 16 × 16 has just one place to go. With whole CIFAR-10 images you meet it as
# `RandomCrop(32, 32)`. It crops, it is random, and it changes nothing. The cure is to pad the picture first.
#
# But look at the second row. The pictures move, all in step, like passengers on a bus. Keras draws *one* window for a
# batch. A grid of *different* pictures, which is what most people look at, would have hidden the first mistake, and there the second is easily overlooked. Only the third row, the series' own layer
# `PadCropFlip`, is what we had in mind: a window for each picture. (One more surprise: outside of training, `RandomCrop` does not crop at all. Inside a network, the
# padded pictures then arrive larger than in training. So we keep it in front, where only training batches pass.) What is each worth?


# %% alt="Exam accuracy without crop, with the crop that does nothing, with one window a batch and with a window each." jupyter={"source_hidden": true} tags=["hide-input"]
def cropped(name):
    augment = candidates[name]
    return [train(network, **few, seed=seed, augment=augment) for seed in FEW_SEEDS]


crops["one window a batch"] = cropped("padding before it")
crops["a window each"] = cropped("PadCropFlip")
colours = GREY, ORANGE, ORANGE, BLUE
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
kinds = {n: (last(r), c) for (n, r), c in zip(crops.items(), colours, strict=True)}
dots(ax, kinds, "exam accuracy after the last epoch", data.name)
verdicts["crop that does nothing"] = (
    last(crops["the new crop"]),
    last(crops["a window each"]),
)

# %% [markdown]
# The first two rows are the same. You lose nothing that you had, only what a real crop would have gained. And the bus? It looked like the next suspect, and in our trainings it has done no harm: over the epochs, each picture still appears in all positions. Looking tells you what a line does. Only measuring tells you what it costs.
# **First test: one picture, eight times. Count how many come out different.** In exercise 2
# you turn that test into a function.
#
# ## 4 The figure that would not repeat
#
# *Now the cases get meaner. The next four are about networks that learn as they should, while something is
# wrong with how they are judged.*
#
# Somebody augments as one should: flips, tilts and shifts, by three of Keras' random layers at the beginning of
# the network. They draw anew for each image, and they are meant to rest when the network is judged. He saves his network, loads it the next day, and its validation
# accuracy has changed. So he asks again, and again. (The folded cell has the network, and his function.)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def augmented():
    flip = layers.RandomFlip("horizontal", seed=1)
    tilt = layers.RandomRotation(0.1, seed=2)
    shift = layers.RandomTranslation(0.2, 0.2, seed=3)
    return network(flip, tilt, shift, layers.Rescaling(1 / 255))


def as_asked(model):
    """Validation accuracy, as he computes it."""
    return np.mean(np.argmax(model(x_held[VAL]), axis=1) == y_held[VAL])


tilted = [train(augmented, seed=seed, watch=as_asked) for seed in FEW_SEEDS]
for attempt in range(1, 6):
    print(f"attempt {attempt}: {as_asked(tilted[0].model):.2%}")

# %% [markdown]
# **The symptom.** The same network, the same images, and the figures don't agree. **Before you read on:** what in a network is random, and
# when should it rest?
#
# <details><summary>A hint</summary>Dropout, which switches units off at random, and the random layers. They should work in training alone. Who tells them
# whether this is a training?</details>
#
# **The culprit** is a word that is missing:

# %%
model, images, truth = tilted[0].model, x_held[VAL], y_held[VAL]
ways = {"as he asks": {}, "with training=False": {"training": False}}
for name, way in ways.items():
    one, again = (np.argmax(model(images, **way), axis=1) for _ in range(2))
    print(f"{name}: {np.mean(one == truth):.2%}, then {np.mean(again == truth):.2%}")
    print(f"    answers that have changed: {np.sum(one != again)} of {len(truth)}")

# %% [markdown]
# Don't go by the accuracy: two attempts may score the same by chance. Count the answers that change.
#
# When you call a network and don't say `training`, dropout and batch
# normalisation take that for *no*. Keras' random layers take it for *yes*. So the network was asked about tilted and shifted pictures, different ones each time. (`predict` and `evaluate` say *no* for you. A second way into the same trap is one augmenting function for training and validation batches alike, see notebook 03.) Here are three such networks through their whole training, asked both ways:

# %% alt="Two sets of validation curves of the same networks: asked with training=False, they lie higher." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
lines = {
    "as he asks": ([run.seen for run in tilted], ORANGE),
    "with training=False": ([score(run, VAL) for run in tilted], BLUE),
}
draw(ax, lines, "validation accuracy", data.name)
in_percent(ax.yaxis)
seen = np.array([run.seen[-1] for run in tilted])
verdicts["augmented validation"] = seen, last(tilted, VAL)

# %% [markdown]
# Nothing has changed but the question. (The blue lines go up and down because the network changes from epoch to epoch. Thin lines are trainings, the bold one is their mean.) The mistake is a strange one, since it makes you look *worse* than
# you are. It still does harm: its noise enters each comparison, the best epoch is chosen by it, and it favours networks that were trained with the same tilts and shifts.
#
# We know this trap from inside. The first version of this notebook called its networks without the word, and had
# wrong figures in two of its cases. A test like exercise 2 gave it away. **First test: ask the same network twice, and compare the answers, image by image. Not one may change.**
#
# ## 5 The reviewer's suspect
#
# A reviewer reads this line in your code and writes: *test set leakage, all results invalid*.
#
# ```python
# mean, deviation = channel_statistics(all_images)  # training images, and the exam!
# ```
#
# She has a point. Pixels are turned into *z-scores* here: minus the mean, divided by the deviation, for each
# colour. These six numbers should come from the training images alone, as the exam stands for pictures that nobody has
# seen yet. Knowledge of the exam that seeps into a training is called *leakage*. **Before you run the cell:** by how many points does the leak change the exam accuracy?


# %%
def z_scores(images):
    """A first layer with the statistics of these images."""
    mean, deviation = channel_statistics(images)
    print("means", mean.round(4), "deviations", deviation.round(4))
    return layers.Normalization(mean=255 * mean, variance=(255 * deviation) ** 2)


clean = z_scores(x_train)
leaky = z_scores(np.concatenate([x_train, x_exam]))
honestly = [train(lambda: network(clean), seed=seed) for seed in SEEDS]
leaking = [train(lambda: network(leaky), seed=seed) for seed in SEEDS]
gains = last(leaking) - last(honestly)
for gain in gains:
    print(f"by the leak: {100 * gain:+.1f} points")
verdicts["statistics of the exam"] = last(leaking), last(honestly)
mean, reach, _ = mean_interval(gains)
print(f"mean {100 * mean:+.1f}, 95 % interval {100 * (mean - reach):+.1f}", end=" to ")
print(f"{100 * (mean + reach):+.1f}")

# %% [markdown]
# Look at the gains: they scatter by about as much as one seed differs from another, and the interval says that five seeds can't tell their mean from zero. They are too few to reveal a small leak, though. What acquits the suspect is the evidence above: without the exam (first row) and with it (second row), the six numbers are nearly the same. A change in the third
# digit is enough to send a training down another path, and that is all that we see.
#
# So the suspect goes free: mean and deviation of thousands of images hardly know about any one of them. It is still a line to mend: that costs a minute, and arguing costs an afternoon. And the same sin matters a lot where what you
# compute can hold more about the exam:
#
# * statistics of *few* images, or of thousands of features, as in genetics, where there are more numbers than patients,
# * anything that looks at the *labels*, such as choosing the most telling features before the split,
# * an exam from another camera: with its statistics, you have adapted to a camera that you claim never to have seen.
#
# **First test: compare the statistics, then the accuracy.** And mend the line anyway. An accusation is a hypothesis, too.
#
# ## 6 The exam that was sat every evening
#
# Now seven more honest trainings, so that we have a dozen. Suppose that a project reports the star in the next figure. Its code hands the exam to `fit` as validation data, saves the network whenever that accuracy rises, and quotes the best.
# (A much-copied one does so in a variable called `best_acc` [1].)

# %% alt="Exam accuracy of one training by epoch, with a star at its best epoch, which is not the last." jupyter={"source_hidden": true} tags=["hide-input"]
dozen = honest + [train(network, seed=seed) for seed in MORE_SEEDS]
restless = max(dozen, key=lambda run: score(run).max() - score(run)[-1])
curve = score(restless)
best = curve.argmax()
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
draw(ax, {"exam": ([curve], BLUE)}, "accuracy", data.name)
ax.plot(best + 1, curve[best], "*", color=ORANGE, ms=18)
ax.annotate("reported", (best + 1, curve[best] + 0.015), color=ORANGE, ha="center")
ax.set_ylim(top=curve[best] + 0.04)
in_percent(ax.yaxis)

# %% [markdown]
# **The symptom.** None. The curve is honest, the star is on it, and the number is a good one. **Before you
# read on:** the network at the star exists, you may keep it. So what is wrong with reporting its accuracy?
#
# **The culprit** is the word *best*. Each point of the curve is the true accuracy plus some luck with these
# images. Choose the highest point, and you choose good luck along with a good network. On other images you keep the network, but not the luck. We can watch it go: we deal our held-out images at random into an exam and the rest,
# choose by the exam, and look at the rest.

# %%
right = np.array([np.array(run.named) == y_held for run in dozen])  # run, epoch, image
rng = np.random.default_rng(SEED)


def choose(candidates, size):
    """The winner's score on the exam that chose it, and on images it never saw."""
    dealt = rng.permutation(HELD)
    exam, others = dealt[:size], dealt[size:]
    scores = candidates[:, exam].mean(axis=1)
    best = scores.argmax()
    return scores[best], candidates[best, others].mean()


by_run = []
for epochs in right:  # of one training
    draws = [choose(epochs, HELD // 2) for _ in range(DRAWS // 10)]
    by_run.append((*np.mean(draws, axis=0), epochs[-1].mean()))
reported, true, final = np.transpose(by_run)
print(f"best epoch, as reported: {100 * np.mean(reported - final):+.1f} points")
print(f"the same on new images:  {100 * np.mean(true - final):+.1f} points")
print("(against the last epoch, means of all trainings)")
verdicts["best epoch on the exam"] = reported, true

# %% [markdown]
# The first line is what the report claims to have gained over the last epoch. The second line is what is left of it on images that
# had no say. The difference between the lines is luck. With one training it is small, because neighbouring epochs
# are nearly the same network and make the same mistakes.
#
# But who tries only one thing? Below, the winner is the best of more and more candidates: epochs and trainings of the *same* recipe. We draw only the luck: what the winner scored on the exam that crowned it, minus what it is worth on other images. **Before you run the cell:** how fast does this
# inflation grow, and what does a larger exam do to it?

# %% alt="Points of inflation against the number of candidates: rising lines, highest for the smallest exam." jupyter={"source_hidden": true} tags=["hide-input"]
pool = right[:, EPOCHS // 2 :].reshape(-1, HELD)
counts = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= len(pool)]
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
sizes = {HELD // 20: ORANGE, HELD // 8: "#B86A00", HELD // 2: BLUE}
for size, colour in sizes.items():
    faked = []
    for count in counts:
        some = [rng.choice(len(pool), count, replace=False) for _ in range(DRAWS)]
        draws = [choose(pool[rows], size) for rows in some]
        faked.append(100 * np.mean(np.subtract(*np.transpose(draws))))
    ax.plot(counts, faked, "o-", color=colour, lw=2)
    place = 1.1 * counts[-1], faked[-1]
    told = f"exam of\n{size:,} images"
    ax.annotate(told, place, color=colour, va="center", annotation_clip=False)
ax.set(xscale="log", xticks=counts, xticklabels=counts)
ax.minorticks_off()
ax.set(xlabel="candidates of which the best is reported", ylabel="points that are luck")
ax.axhline(0, color="black", lw=0.8)
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# A single candidate is judged fairly: all lines begin near zero. Then they climb (the axis doubles from mark to mark). A small exam
# is worst, since luck is larger there. CIFAR-10's test set is larger than any of ours, so its inflation is
# smaller. But progress on it is measured in tenths of a point, and the world has tried many thousands of candidates. So luck has its share in the records.
#
# The cure is as old as schools. Choose by the validation images. Sit the exam once. **First test:
# how often has anybody looked at these images before the final figure?**
#
# ## 7 The talented beginner
#
# Somebody has only a few hundred photographs, augments them, and trains three times. Look at the log, and compare with
# our honest trainings, which had many more photographs. The cell has all that was done.


# %%
def versions(images, labels):
    """Each image as it is, mirrored, moved by a pixel, and both."""
    moved = np.pad(images, ((0, 0), (1, 0), (1, 0), (0, 0)), "reflect")[:, :16, :16]
    four = images, images[:, :, ::-1], moved, moved[:, :, ::-1]
    return np.concatenate(four), np.tile(labels, 4)


def split(images, labels, seed):
    """At random: four fifths for training, one for validation."""
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = np.split(order, [4 * len(labels) // 5])
    return [(images[rows], labels[rows]) for rows in parts]


def validated(known, unknown, seed):
    run = train(network, *known, seed=seed, epochs=ALBUM_EPOCHS // 2)
    return run, np.mean(classes(run.model, unknown[0]) == unknown[1])


album = x_train[:ALBUM], y_train[:ALBUM]
results = [validated(*split(*versions(*album), seed), seed) for seed in FEW_SEEDS]
for run, accuracy in results:
    print(f"training {run.accuracy[-1]:.0%}, validation {accuracy:.0%}")
print(f"honest, on {IMAGES:,} photographs: {last(honest, VAL).mean():.0%}")

# %% [markdown]
# **The symptom.** It is too good. A fraction of the photographs, and a better validation accuracy. Good
# news is the most dangerous symptom of all, because nobody investigates it. You do. **Before you run the cell:** what
# would you look for in the validation images?
#
# A good detective lays the pictures side by side. Here are some validation images. Below each is the training
# image that is closest to it, or to its mirror image, pixel by pixel:

# %% alt="Ten validation images; below each its nearest training image, which is almost always the same photograph." jupyter={"source_hidden": true} tags=["hide-input"]
(x, _), (x_val, _) = split(*versions(*album), SEED)
flat = x.astype("float32").reshape(len(x), -1)


def nearest(image):
    """The training image that is closest to this one, or to its mirror image."""
    both = image.astype("float32"), image[:, ::-1].astype("float32")
    distances = [np.square(flat - one.ravel()).sum(axis=1) for one in both]
    return x[np.min(distances, axis=0).argmin()]


pairs = np.concatenate([x_val[:10], [nearest(image) for image in x_val[:10]]])
titles = ["validation"] + 9 * [""] + ["training"] + 9 * [""]
ax = plot_images(pairs, titles, columns=10, data_name=data.name)

# %% [markdown]
# **The culprit.** Nearly all are the same photographs. Mirrored or moved by a pixel, but the same. The versions were made *before* the
# split, so nearly every validation image has a sibling in training, and a network that knows its
# album by heart knows the siblings, too. Split first, and the twins are parted:
#
# ```python
# known, unknown = split(*versions(*album), seed)  # wrong: versions, then the split
#
# known, unknown = split(*album, seed)  # right: the photographs are split,
# known = versions(*known)  # then only those for training get their versions
# ```


# %% alt="Validation and exam accuracy for both orders: far apart when versions come first, close when the split does." jupyter={"source_hidden": true} tags=["hide-input"]
def parted(seed):
    """The photographs are split; then only those for training get their versions."""
    known, unknown = split(*album, seed)
    return validated(versions(*known), unknown, seed)


strangers = [parted(seed) for seed in FEW_SEEDS]
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
kinds = {
    "versions first: validation": ([accuracy for _, accuracy in results], ORANGE),
    "versions first: exam": (last([run for run, _ in results]), BLUE),
    "split first: validation": ([accuracy for _, accuracy in strangers], GREY),
    "split first: exam": (last([run for run, _ in strangers]), BLUE),
}
dots(ax, kinds, "accuracy", data.name)
rows = list(kinds.values())
verdicts["versions before the split"] = np.array(rows[0][0]), rows[1][0]

# %% [markdown]
# The two upper rows are the *same networks*. What lies between them is knowledge of photographs, not of classes. The lower rows may differ, too, but a validation set of a hundred photographs scatters by about five points.
#
# You need not store versions to fall for it. Frames of one film, several photographs of one patient, a
# picture that was downloaded twice: whatever belongs together must go to the same side. CIFAR-10 itself has
# such pairs across its test set, some three in a hundred test images [2]. **First test: put some validation images beside their nearest training images.**
#
# ## 8 Ten per cent, exactly
#
# *The last three cases are about numbers that say nothing at all.*
#
# Back to your friend's log, and to the real run behind it:

# %% jupyter={"source_hidden": true} tags=["hide-input"]
labels = y_held[EXAM].reshape(-1, 1)  # as keras.datasets delivers them
for epoch in range(0, EPOCHS, 3):
    named = honest[0].named[epoch][EXAM]
    print(f"epoch {epoch + 1:2}  loss {honest[0].loss[epoch]:.2f}", end="  ")
    print(f"accuracy {np.mean(named == labels):.1%}")

# %% [markdown]
# **The symptom.** Chance, to the last digit, while the loss falls. A network that gives the same answer to everything would score exactly a tenth, too. But its loss would not fall like
# this. So the network learns, and the accuracy is no accuracy. **Before you read on:** what can `np.mean(named == labels)` have computed?
#
# **The culprit.** A column is compared with a row, and NumPy makes a table of all pairs: each label with *each*
# answer, also those to other images. This is called *broadcasting*. Only the diagonal is what we wanted. (The picture shows the rows and columns of some images, drawn at random.)

# %% alt="A square table of comparisons, dotted all over; only the cells of the diagonal, marked in blue, compare an answer with its own label." jupyter={"source_hidden": true} tags=["hide-input"]
print("shapes:", named.shape, labels.shape, "compared:", (named == labels).shape)
animals = np.isin(y_held[EXAM], (2, 3, 4, 5, 6, 7))
for epoch in range(1, EPOCHS, 4):
    given, wanted = honest[0].named[epoch][EXAM][animals], y_held[EXAM][animals]
    share = f"{np.mean(given == wanted[:, None]):.1%} of the table"
    print(f"on the animals alone, epoch {epoch + 1}: {share}")
some = np.random.default_rng(SEED).permutation(len(named))[:40]
table = named[some] == labels[some]
fig, ax = plt.subplots(figsize=(4, 4), layout="constrained")
ax.imshow(np.where(table, 0.55, 0.95), cmap="gray", vmin=0, vmax=1)
for place in range(len(some)):
    kind = {"color": BLUE} if table[place, place] else {"fill": False, "ec": BLUE}
    ax.add_patch(plt.Rectangle((place - 0.5, place - 0.5), 1, 1, **kind))
ax.set(xlabel="answers", ylabel="labels", xticks=[], yticks=[])
ax.set_title("grey: equal; blue: on the diagonal", fontsize=10)
in_table = np.full(len(SEEDS), np.mean(named == labels))
verdicts["labels in a column"] = in_table, last(honest)
label_source(ax, data.name)

# %% [markdown]
# Filled blue cells are right answers. They hardly affect the mean of the whole table. If the network gives a share $p_c$ of
# its answers to class $c$, and the labels do so with a share $q_c$, then that mean is
#
# $$ \sum_{c} p_c \, q_c \;=\; \sum_{c} p_c \cdot \tfrac{1}{10} \;=\; \tfrac{1}{10}, $$
#
# whatever the network says, as long as the classes are balanced. And when some classes are missing? Then the trap has a better disguise still. The lines above the picture ask about the animals alone. There the figure is no longer round, and it moves a little. (One would expect a sixth; it is less, since some answers are no animals.) Nobody would think of shapes. **First test: print the shapes of both sides of `==`.** In exercise 1 you build a lock
# for this door.
#
# ## 9 The number that jumps
#
# A training loop written by hand. It is short, its network learns as well as ours, and what it prints is below it. **Before you run the cell:** one line is wrong. Can you see it?


# %%
def by_hand(seed):
    keras.utils.set_random_seed(seed)
    model, adam = network(), keras.optimizers.Adam(RATE)
    weights = model.trainable_variables
    adam.build(weights)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(trusting(labels, logits))
        adam.apply(tape.gradient(loss, weights), weights)
        return tf.reduce_mean(tf.cast(tf.argmax(logits, 1) == labels, "float32"))

    batches = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(IMAGES)
    log, reported = [], []
    for _ in range(EPOCHS):
        log.append([])
        for images, labels in untuned(batches.batch(BATCH)):
            accuracy = step(images, labels).numpy()
            log[-1].append(accuracy)
        reported.append(f"{accuracy:.0%}")
    print("accuracy by epoch:", *reported)
    return log


logs = [by_hand(seed) for seed in FEW_SEEDS]

# %% [markdown]
# **The symptom.** Each line of the output is a training, with its accuracy epoch by epoch. It rises, but in jumps. It is tempting to lower the learning rate.
#
# **The culprit** is `reported.append`, which comes after the inner loop. When a loop ends, Python keeps the last value of `accuracy`: that
# of the last batch, a few dozen images, or fewer where the images don't divide evenly. With $n$ images, an accuracy $p$ scatters by about
#
# $$ \sqrt{p \, (1 - p) / n}, $$
#
# and with p = ½ and n = 64, a full batch, that is six points, up or down. Collect all batches, and take their mean:

# %% alt="The jumping curves of the last batch, and the steady ones of the means over all batches." jupyter={"source_hidden": true} tags=["hide-input"]
printed = np.array([[epoch[-1] for epoch in log] for log in logs])
counted = np.array([[np.mean(epoch) for epoch in log] for log in logs])
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
lines = {"last batch": (printed[:1], ORANGE), "all batches": (counted[:1], BLUE)}
draw(ax, lines, "training accuracy", data.name)
ax.plot(range(1, EPOCHS + 1), printed.T, color=ORANGE, lw=0.8, alpha=0.4)
ax.plot(range(1, EPOCHS + 1), counted.T, color=BLUE, lw=0.8, alpha=0.4)
in_percent(ax.yaxis)
half = EPOCHS // 2
verdicts["last batch only"] = printed[:, half:].ravel(), counted[:, half:].ravel()

# %% [markdown]
# Same trainings, same numbers, but all of them kept. (The bold lines are the first training, the thin ones the others. Even the blue ones are means over an epoch during which the network
# changes. That is how Keras does it, too.) **First test: how many images
# is this number a mean of?** If nobody can tell you, it says nothing.
#
# ## 10 The competition
#
# Our last case has no broken line. A dozen networks entered a competition. They have names, as networks do. Here is the ranking, by exam accuracy:

# %% alt="A ranking of twelve named networks by exam accuracy, from best to worst, the first one in orange." jupyter={"source_hidden": true} tags=["hide-input"]
NAMES = "Aurora Borea Comet Dune Ember Falcon Glacier Harbour Iris Juniper Kestrel Lynx"
names = dict(zip(NAMES.split(), dozen, strict=False))
ranking = sorted(names, key=lambda name: -score(names[name])[-1])
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
values = [score(names[name])[-1] for name in ranking]
bars = ax.barh(ranking, values, color=[ORANGE] + [GREY] * (len(ranking) - 1))
ax.bar_label(bars, [f" {100 * value:.1f} %" for value in values], fontsize=9)
ax.set(xlim=(min(values) - 0.03, max(values) + 0.01), xlabel="exam accuracy")
ax.invert_yaxis()
in_percent(ax.xaxis)
label_source(ax, data.name)
print(f"And the winner is {ranking[0]}!")

# %% [markdown]
# **The symptom.** A clear order, and a winner that is well ahead of the second. One could write a paper about its architecture. **Before you read on:** what would you ask before you believe it?
#
# **The culprit.** Nothing distinguishes them. They are our dozen honest trainings: one recipe, twelve seeds. The names are ours. (And the
# axis doesn't start at zero, which is an old trick.) So let the same twelve sit another exam, our validation images:

# %% alt="The twelve networks on two exams, joined by lines that cross: the winner of the first falls back." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
both = {
    name: [score(run, part)[-1] for part in (EXAM, VAL)] for name, run in names.items()
}
for name, pair in both.items():
    champion = name == ranking[0]
    colour = ORANGE if champion else GREY
    ax.plot(pair, "o-", color=colour, lw=3 if champion else 1, zorder=2 + champion)
    if champion:
        ax.text(1.04, pair[1], name, color=colour, va="center")
ax.plot(np.mean(list(both.values()), axis=0), "--", color="black")
ax.text(1.04, np.mean([pair[1] for pair in both.values()]), "mean", va="center")
ax.set(xticks=(0, 1), xticklabels=("first exam", "second exam"), xlim=(-0.2, 1.4))
ax.set_ylabel("accuracy")
in_percent(ax.yaxis)
label_source(ax, data.name)

# %% [markdown]
# Some lines cross, and the winner comes down towards the mean. Part of its lead was luck with the images of the first exam. Another part stays, since some seeds
# do end better than others. But even that part helps nobody else. It belongs to this seed, not to the recipe: train the recipe again with a new seed, and you draw again.
#
# How much is a crown worth? We crown a winner by half of the images, and compare the same winner with
# the mean of all twelve on the other half, many times over. And how many seeds does it
# take to tell two recipes apart that truly differ by a point? With $s$ for the standard deviation between seeds and $\delta$ for the difference, both in points, a
# rule of thumb says $16\, s^2 / \delta^2$ for each recipe [3]. (With that many, four comparisons in five detect it.)

# %%
ends = right[:, -1]
crowned = np.array([choose(ends, HELD // 2) for _ in range(DRAWS)])
lead, spread = 100 * (crowned.mean(axis=0) - ends.mean()), 100 * last(dozen).std(ddof=1)
print(f"winner against the mean: {lead[0]:+.1f} points when crowned")
print(f"                         {lead[1]:+.1f} points on other images")
print(f"deviation between seeds: {spread:.1f} points")
print(f"seeds to see one point:  {int(np.ceil(16 * spread**2))} for each recipe")
verdicts["best of a dozen seeds"] = crowned[:, 0], np.full(DRAWS, ends.mean())

# %% [markdown]
# That is a lot of trainings to see one honest point. On the whole data set the
# deviation between seeds is several times smaller, but so are the gains that people claim. Whenever a table has one run per row, imagine our ranking beside it. **First test: train the winner again, with other seeds.**
#
# ## 11 All cases in one picture
#
# On the left is what was reported or reached with the mistake, in orange, and the honest figure, in blue. On the right
# is their difference, in points. Whiskers hold nine tenths of all seeds (or draws, or epochs). **Before you run the cell:** which cases make
# you look better than you are, and which one is the worst?

# %% alt="For each case the accuracy with the mistake and the honest one, and their difference with whiskers: from far below zero to far above." jupyter={"source_hidden": true} tags=["hide-input"]
order = [
    ("1", "softmax twice"),
    ("2", "divided twice"),
    ("2", "divided twice, normalised"),
    ("3", "crop that does nothing"),
    ("4", "augmented validation"),
    ("5", "statistics of the exam"),
    ("6", "best epoch on the exam"),
    ("7", "versions before the split"),
    ("8", "labels in a column"),
    ("9", "last batch only"),
    ("10", "best of a dozen seeds"),
]
fig, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained", sharey=True)
for row, (_, name) in enumerate(order):
    mistaken, fair = map(np.asarray, verdicts[name])
    ends = mistaken.mean(), fair.mean()
    axes[0].plot(ends, (row, row), color=GREY, lw=1)
    axes[0].plot(ends[0], row, "o", color=ORANGE, ms=9)
    axes[0].plot(ends[1], row, "o", color=BLUE, ms=9, mfc="none", mew=2)
    points = 100 * (mistaken - fair)
    low, high = np.quantile(points, (0.05, 0.95))
    mean = points.mean()
    axes[1].plot((low, high), (row, row), color=ORANGE, lw=2)
    axes[1].plot(mean, row, "o", color=ORANGE, ms=7)
    column = {"transform": axes[1].get_yaxis_transform(), "ha": "right", "va": "center"}
    axes[1].text(1.13, row, f"{mean:+.1f}", color=ORANGE, **column)
axes[0].set_yticks(range(len(order)))
axes[0].set(yticklabels=[f"{name}   {case}" for case, name in order])
axes[0].set_xlabel("accuracy; orange: with the mistake, blue: honest")
axes[0].set_xlim(0, 1)
axes[0].invert_yaxis()
in_percent(axes[0].xaxis)
axes[1].axvline(0, color="black", lw=1)
axes[1].set_xlabel("difference in points")
axes[1].spines[["top", "right"]].set_visible(False)
label_source(axes[1], data.name)

# %% [markdown]
# (Differences were taken before rounding.) To the left of the black line, either the network is worse, or it only looks worse; the largest of these mistakes stare you in the face. The dots to the right flatter you: the twins above all, with all others far behind. These are the ones to fear, since everybody is pleased. And where whiskers reach far to both sides, as with the last batch, the number is a throw of dice, whatever its mean.
#
# ## 12 Symptoms, suspects, first tests
#
# A table to keep. Start from what you see.
#
# | symptom | suspects | first test |
# |---|---|---|
# | the loss won't go below 1.46, or loss plus accuracy is 2.46, with ten classes | a softmax before a loss that wants logits | learn one batch by heart; read your warnings |
# | the loss stays at the logarithm of the number of classes | pixels scaled twice, labels that don't belong to the images, a learning rate far too high, units that always give zero | smallest and largest number at the first convolution; learn one batch by heart |
# | learning crawls | pixels scaled twice or not at all | smallest and largest number at the first convolution |
# | fine in training, poor in use | other preparation of the pixels; running statistics that lag behind | the same images through both ways |
# | augmentation changes nothing | a crop without padding, a layer never called | one picture, eight times |
# | two evaluations of one network differ | random transforms in validation: a missing `training=False` | ask the same network twice: no answer may change |
# | validation better than you deserve | twins across the split, something in the picture that gives the class away, an easy validation set | nearest neighbours; mean image of each class |
# | exam below validation | choices made by validation, another kind of images | how often were the images looked at? |
# | accuracy exactly at chance | labels in a column; a network with one answer for everything | shapes on both sides of `==`; `np.bincount` of the answers |
# | a number that jumps | a mean of few images | of how many? |
# | your idea gains a little | a lucky seed | the same again with other seeds, both sides |
#
# ## Check your understanding
#
# **1.** With a hundred classes, a training loss won't go below 3.6. The logarithm of a hundred is 4.6. What do you check first?
#
# <details><summary>Answer</summary>Whether the last layer has a softmax before a loss that wants logits. The floor is the
# logarithm of 1 + 99 / e, which is 3.62. It isn't a network that has learnt nothing: that would stay at 4.6.</details>
#
# **2.** A team augments its images, stores them, and splits by *random rows*. To be safe, it also
# trains with five seeds and reports mean and interval. What does the interval protect from?
#
# <details><summary>Answer</summary>From a lucky seed, and from nothing else. All five trainings have twins in validation, so all
# five are too good by about the same amount. An interval measures scatter. It knows nothing of a mistake that every run
# makes.</details>
#
# **3.** Your friend mends case eight, and the accuracy comes out as 100.0 %. What now?
#
# <details><summary>Answer</summary>Go on investigating. Perhaps the labels are now compared with themselves, or the images are those
# of the training. A mended measurement has to be believable, too.</details>
#
# ## How far to trust this
#
# > * **Size.** Small pictures, few images, a small network, short trainings, one learning rate for all. Elsewhere the order of the cases and all
# >   the numbers will differ. Accuracies scatter far more here than on the whole data set.
# > * **Seeds.** Five trainings a case, three where they take longer, and a dozen honest ones. Whiskers of so few are rough.
# > * **Cases six and ten** deal the same held-out images again and again, so their draws are not independent, and exam and validation
# >   images are one pool in them.
# > * **Case three** depends on how long one trains: with fewer epochs a real crop costs accuracy here. That moving all pictures of a batch alike does no harm was
# >   seen with three seeds.
# > * **Keras** 3.15 on TensorFlow 2.21 was used. Other versions may take another road in cases one and four. On a GPU, figures that are equal to the last digit here may
# >   differ in it.
# > * **The test set** of CIFAR-10 was never opened; our exam comes from its training images.
#
# ## Three takeaways
#
# 1. **Bad news gets investigated, good news gets published.** Investigate good news: look for twins, for choices
#    made on the exam, and for a winner among equals.
# 2. **Every suspicion has a test of five lines.** Print a shape, a range; learn one batch by heart; show one picture eight times;
#    ask the same question twice. Do it before you touch the learning rate.
# 3. **A number is a mean of something.** Ask of how many images, of which ones, and over how many seeds, before you ask what it is.

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 08](solutions/08_broken_on_purpose.ipynb).
#
# **Exercise 1 ★** A lock for the door of case eight. Write `accuracy(named, labels)`, for `named` of shape `(n,)`. It gives the share of right
# answers for labels of the shapes `(n,)` and `(n, 1)`. For any other shape it raises a `ValueError`.


# %% tags=["answer-1"]
def accuracy(named, labels):
    return None  # your answer: a number from 0 to 1


# %% tags=["check-1"]
ten, one_hot = np.arange(10), np.eye(10, dtype=int)


def outcome(named, labels):
    try:
        return accuracy(named, labels)
    except ValueError:
        return "ValueError"


check_answer(
    1,
    outcome,
    [
        ((ten, ten), 1.0),
        ((ten, ten[::-1]), 0.0),
        ((ten, np.maximum(ten, 5).reshape(-1, 1)), 0.5),
        ((ten, one_hot), "ValueError"),
        ((ten, ten[:1]), "ValueError"),
    ],
    "Look at the shape before you compare, and make the column a row.",
)

# %% [markdown]
# **Exercise 2 ★★** The first test of case three, for good. Write `inspect(layer, image)`. It shows an augmentation copies of
# one image, and returns three answers: Does it change the image in training? Does it treat the copies
# of one batch differently? Does it leave them alone outside of training? You call the layer
# by `layer(images, training=True)` or `training=False`.


# %% tags=["answer-2"]
def inspect(layer, image):
    return None  # your answer: (True or False, True or False, True or False)


# %% tags=["check-2"]
def always(images, training):
    return PadCropFlip(2, seed=SEED)(images, training=True)


windows = [layers.RandomCrop(16, 16, seed=SEED) for _ in range(2)]
on_a_bus = keras.Sequential([layers.ZeroPadding2D(3), windows[1]])
check_answer(
    2,
    inspect,
    [
        ((windows[0], x_train[CAR]), (False, False, True)),
        ((PadCropFlip(2, seed=SEED), x_train[CAR]), (True, True, True)),
        ((on_a_bus, x_train[CAR]), (True, False, False)),
        ((always, x_train[CAR]), (True, True, False)),
    ],
    "Thirty copies are enough. Compare by np.array_equal, as a shape may change, too. "
    "A bus may stand still once: try several batches.",
)

# %% [markdown]
# **Why?** A colleague picks the best epoch by the validation images, as we recommend, then opens the exam once. Which of her two accuracies is
# inflated, that on the validation images or that on the exam? And if picking inflates, why pick at all?
#
# <details><summary>Answer</summary>The validation accuracy: the epoch was chosen for it, luck included. That luck is with the
# validation images. Other images don't share it, so the exam is fair. Picking can still pay: the second line of
# section 6 is what the choice is truly worth, and it can be more than nothing, where networks get worse towards the end. Only the price tag
# has to come from images that did not choose.</details>
#
# **Exercise 3 ★★★** The case without a label. The folded cell below trains our network on the images that you know, which somebody has tampered with. Its code is sealed by rot13, the old way of hiding the end of a story. Don't open it.
# Run it, and look at the log.

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-input"]
# @title Sealed: run, but don't read
SEALED = """
qrs neenatr(vzntrf, ynoryf):
    vzntrf = vzntrf.nfglcr(vag)
    vzntrf[ac.nenatr(yra(ynoryf)), 15, 3 + ynoryf] += 60
    erghea vzntrf.pyvc(0, 255).nfglcr("hvag8")
"""
room = {"np": np}
exec(codecs.decode(SEALED, "rot13"), room)
order = np.random.default_rng(SEED).permutation(HELD // 2)
case = SimpleNamespace(x_train=room["arrange"](x_train, y_train), y_train=y_train)
case.x_val = room["arrange"](x_held[VAL], y_held[VAL])[order]
case.y_val = y_held[VAL][order]
watched = train(
    network,
    case.x_train,
    seed=SEED,
    watch=lambda model: np.mean(classes(model, case.x_val) == case.y_val),
)
case.model = watched.model
for epoch, (seen, known) in enumerate(zip(watched.accuracy, watched.seen, strict=True)):
    if epoch % 3 == 2 or epoch == EPOCHS - 1:
        print(f"epoch {epoch + 1:2}: training {seen:.0%}, validation {known:.0%}")
print(f"weeks later, on new images of {data.name}: {score(watched)[-1]:.0%}")

# %% [markdown]
# Splendid in the laboratory, a failure outside. There are three suspects:
#
# * **A. Twins.** Validation images have siblings among the training images.
# * **B. An easy exam.** The validation images are mostly of classes that are easy to tell.
# * **C. A tell-tale.** Something in the pictures gives the class away, and it is not the object.
#
# Examine `case.x_train`, `case.y_train`, `case.x_val`, `case.y_val` and `case.model`. Clear two suspects by evidence, and
# convict the third. Then write `verdict()`. It returns the letter, and a figure: the accuracy of `case.model` on the validation
# images once the culprit's help is taken away. (For twins: on images without siblings. For an easy exam: with each class weighing
# the same. For a tell-tale: with it painted over.)


# %% tags=["answer-3"]
def verdict():
    return None  # your answer: for example "A", 0.5


# %% tags=["check-3"]
def problem(answer):
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "it returns no letter and figure"
    letter, figure = answer
    if letter not in "ABC":
        return f"there is no suspect {letter}"
    help_taken = np.mean(classes(case.model, x_held[VAL]) == y_held[VAL])
    if letter != codecs.decode("P", "rot13"):
        return f"suspect {letter} has an alibi"
    if abs(figure - help_taken) > 0.05:
        return f"the right suspect, but {figure:.1%} is not what is left"


check_answer(
    3,
    verdict,
    [((), problem)],
    "Nearest neighbours speak about A, np.bincount about B, and the mean image of "
    "each class about C.",
)

# %% [markdown]
# ## References
#
# 1. K. Liu, [Train CIFAR10 with PyTorch](https://github.com/kuangliu/pytorch-cifar/blob/master/main.py): `best_acc` is the best accuracy on the test set over all epochs.
# 2. B. Barz, J. Denzler, [Do We Train on Test Data? Purging CIFAR of Near-Duplicates](https://arxiv.org/abs/1902.00423), 2020.
# 3. R. Lehr, [Sixteen S-squared over D-squared: A relation for crude sample size estimates](https://doi.org/10.1002/sim.4780110811), 1992.
# 4. Keras' source, [`nn.py` of the TensorFlow backend](https://github.com/keras-team/keras/blob/master/keras/src/backend/tensorflow/nn.py): `_get_logits` looks behind a softmax.
# 5. A. Karpathy, [A Recipe for Training Neural Networks](https://karpathy.github.io/2019/04/25/recipe/), 2019: why neural networks fail silently, and what to do.
# 6. S. Kapoor, A. Narayanan, [Leakage and the Reproducibility Crisis in Machine-Learning-Based Science](https://arxiv.org/abs/2207.07048), 2023: cases five to seven in seventeen fields.
#
# **Previous:** [07 · Judge the model](07_judge_the_model.ipynb)
