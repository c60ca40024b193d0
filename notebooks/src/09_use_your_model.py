# %% [markdown]
# # 09 · Use your model
#
# **Somewhere on your phone is a photograph of a cat. It is a hundred times too wide for our network, it is not square, and it is not in CIFAR-10. Will the network know the cat? And what will it say to your coffee, which is none of its ten
# classes?**
#
# **In this notebook the network leaves home. It meets photographs, it learns classes of your own, and it moves into files that run
# without Keras. On the way it takes a flower for a bird, and a runaway number costs it several points of accuracy. You will find that number.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/cifar10-keras-notebooks/cifar10-keras-notebooks/blob/main/notebooks/09_use_your_model.ipynb)
#
# **You will learn** to
#
# * show any photograph to a network that was trained on small images,
# * make it say "not sure" instead of something silly,
# * teach it classes of your own from a few dozen pictures,
# * save it, and run it where there is no Keras,
# * squeeze it into eight bits, and find out what went wrong.
#
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb), which explains logits, feature maps and batch normalisation. The network comes trained with the package, by the recipe of [notebook 05](05_a_better_recipe.ipynb).
#
# **Runtime** about 6 minutes on two processor cores, and less on a GPU.

# %% [markdown]
# ## Setup
#
# One folded cell imports what we need. On Colab it first installs our helper package, and the tools for sections 6 and 7. Its output is one
# line: what this notebook runs on.

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-input"]
# @title Setup: install on Colab, import
import sys

if "google.colab" in sys.modules:
    from subprocess import check_call

    repository = "https://github.com/cifar10-keras-notebooks/cifar10-keras-notebooks"
    package = f"git+{repository}@v0.2.0"
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package])
    tools = ["ai-edge-litert", "onnx", "onnxruntime", "tf2onnx"]
    check_call([sys.executable, "-m", "pip", "install", "-q", *tools])

from cifar_utils.notebook import check_answer, quiet_stderr, start

start(seed=0)

import time
import warnings
from pathlib import Path
from tempfile import mkdtemp

import keras
import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import skimage.data
import sklearn.datasets
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from matplotlib.ticker import PercentFormatter
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageDraw, ImageFilter

from cifar_utils.data import CLASS_NAMES, load_cifar10, load_cifar10_test
from cifar_utils.evaluation import predict_probabilities, selective_accuracy
from cifar_utils.models import build_model
from cifar_utils.photo import classify_photo, photo_views
from cifar_utils.plotting import label_source, plot_images
from cifar_utils.pretrained import TRAINED, load_trained

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.6"

# %% [markdown]
# ## Settings
#
# These are the values of a real run; a quick test of the notebook uses smaller ones. You need none of them yet, with one exception: put the path of a photograph of your own into the last line, if you like.

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
PROMISE = 0.98  # of the answers that we want to be right, in section 4
SHRUNK = 1_000  # validation images that are made smaller, in section 2
PICTURES = 30  # of each of our own classes, to learn from
JUDGES = 200  # of each, to test with
TUNING_EPOCHS = 30
SEEDS = [0, 1, 2]
TO_BEAT = 0.873  # what fine-tuning reached here, for exercise 3
TEST_LIMIT = 2_000
TURNS = 30  # of each format, when we measure speed
YOUR_PHOTO = ""

# %% [markdown]
# ## 1 A cat in 32 pixels
#
# This is Chelsea. Her photograph comes with the package scikit-image [5], and so do others that we shall meet. Her colours are numbers
# from 0 to 255, exactly what the network takes. But it takes only squares of 32 × 32 pixels. `about` holds what the package knows of the trained network, for example its temperature, which we meet below.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
about, model = TRAINED["fast_cnn_large"], load_trained("fast_cnn_large")
photographs = Path(skimage.data.__file__).parent
chelsea = Image.open(photographs / "chelsea.png").convert("RGB")
print(
    "Chelsea has",
    chelsea.width,
    "x",
    chelsea.height,
    "pixels;",
    data.name,
    "has 32 x 32",
)

# %% [markdown]
# So we cut the largest square out of the middle, and shrink it. There are two obvious ways to shrink. We can *pick* one pixel out of each small block and throw the others
# away. Or we can *average* each block. **Before you run the cell:** which of the two will look better to you, and which to the network?

# %%
side = min(chelsea.size)
left, top = (chelsea.width - side) // 2, (chelsea.height - side) // 2
square = chelsea.crop((left, top, left + side, top + side))
picked = square.resize((32, 32), Image.Resampling.NEAREST)
averaged = square.resize((32, 32), Image.Resampling.BOX)

# %% alt="A cat's face three times: the photograph, and two versions of 32 by 32 pixels; the one made by picking is ragged, the averaged one smooth." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
titles = ("the square", "one pixel of each block", "the average of each block")
for ax, image, title in zip(axes, (square, picked, averaged), titles, strict=True):
    ax.imshow(image)
    ax.set_title(title)
    ax.axis("off")


# %%
def ask(images):
    """The probabilities that the network gives to the ten classes."""
    return predict_probabilities(model, images, temperature=about.temperature)


for name, small in {"picked": picked, "averaged": averaged}.items():
    (said,) = ask(np.array(small)[None])
    print(f"{name}: {CLASS_NAMES[said.argmax()]}, {said.max():.0%} sure")

# %% [markdown]
# Both times she is a cat. That was to be expected: a cat's face that fills the picture is what CIFAR-10 is full of. She doesn't need the average, then. Other pictures do: picking turns fine stripes, hair and text into patterns that are not there, which is called **aliasing**. Several libraries pick by default, so ask for averaging.
#
# The percentage is the network's **confidence**, its largest probability. We have divided its logits by the *temperature* of
# [notebook 07](07_judge_the_model.ipynb), so that it means what it says: of all validation images with 90 %, about nine in ten are right.
#
# ## 2 It must fill the picture
#
# What made it so easy? The people who made CIFAR-10 put each thing in the middle, and let it fill much of the square. Your photographs won't be so tidy. Let us take some validation images, and step back from each. The thing becomes smaller, and a blur of its own colours fills the rest.


# %%
def step_back(pixels, size):
    """The same image, with a thing of fewer pixels in a blurred surrounding."""
    image = Image.fromarray(pixels)
    around = image.filter(ImageFilter.GaussianBlur(6))
    small = image.resize((size, size), Image.Resampling.BOX)
    around.paste(small, ((32 - size) // 2, (32 - size) // 2))
    return np.array(around)


sizes = (32, 28, 24, 20, 16, 12)
steps = {s: np.array([step_back(x, s) for x in data.x_val[:SHRUNK]]) for s in sizes}

# %% alt="Five images in rows, each six times: the thing in them shrinks from left to right, in front of a blur." jupyter={"source_hidden": true} tags=["hide-input"]
shown = np.concatenate([[steps[s][i] for s in sizes] for i in range(5)])
titles = [f"{s} pixels" for s in sizes] + [""] * (len(shown) - len(sizes))
ax = plot_images(shown, titles, columns=6, data_name=data.name)

# %% [markdown]
# You can still tell most of them. **Before you run the next cell:** at which size will the network be right only half of the time? Guess a column.

# %%
right = [np.mean(ask(steps[s]).argmax(axis=1) == data.y_val[:SHRUNK]) for s in sizes]

# %% alt="Accuracy falls with every step back, slowly at first, then steeply." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.plot(sizes, right, "o-", color=BLUE)
ax.axhline(0.1, color=GREY, ls="--", lw=1)
ax.text(32, 0.12, "guessing", color="0.4")
ax.set(xlim=(33, 11), ylim=(0, 1), xticks=sizes, xlabel="pixels that are left")
ax.set_ylabel("validation accuracy")
ax.yaxis.set_major_formatter(PercentFormatter(1))
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# The network never learned that a cat can be small. Its accuracy was measured on pictures that somebody had chosen and cut for it, and it holds for such
# pictures only. This is the commonest disappointment with a model that scored so well at home. It has a name, **distribution shift**: the pictures in use differ from the pictures of the training.
#
# We won't train the network anew for that. But we can show it the photograph in several ways. Nobody tells us where the thing is, so we show five: all of it, squeezed into a square; the square in the middle; those at the left and right ends, or at top and bottom; and a tighter crop of the middle. Then we average the five answers. The package calls this `photo_views`.

# %% alt="Five small squares of one photograph of a rocket: all of it, squeezed; the middle; the left end; the right end; the middle from closer." tags=["diagram"]
rocket = np.array(Image.open(photographs / "rocket.jpg"))
looks = photo_views(rocket)
titles = ["all of it", "the middle", "one end", "the other end", "closer"]
ax = plot_images(looks, titles, columns=5, data_name="a photograph")
for title, said in zip(titles, ask(looks), strict=True):
    print(f"{title}: {CLASS_NAMES[said.argmax()]}, {said.max():.0%} sure")

# %% [markdown]
# A rocket is none of the ten classes, and the five looks contradict each other. That is useful! Where the looks disagree, the average is unsure. We shall need that in section 4.
#
# ## 3 Files that fool you
#
# A file can fool you before any network sees it. A phone that is held upright may save the picture lying on its side, with a note: "turn me". Not every reader of files reads
# the note. Some libraries store blue first and red last. Some pictures have no colours at all. Here is Chelsea as a careless reader would hand her over. **Before you run the cell:** which of these will no longer be a cat?

# %% alt="Six versions of the cat's face: as she is, mirrored, grey, with blue and red exchanged, on her side, upside down, each with the network's answer." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
cat = np.array(averaged)
spoilt = {
    "as she is": cat,
    "mirrored": cat[:, ::-1],
    "grey": np.repeat(cat.mean(axis=2, keepdims=True), 3, axis=2).astype("uint8"),
    "blue for red": cat[:, :, ::-1],
    "on her side": np.rot90(cat),
    "upside down": cat[::-1],
}
said = ask(np.stack(list(spoilt.values())))
titles = [
    f"{name}:\n{CLASS_NAMES[p.argmax()]} {p.max():.0%}"
    for name, p in zip(spoilt, said, strict=True)
]
ax = plot_images(
    np.stack(list(spoilt.values())), titles, columns=6, data_name="a photograph"
)

# %% [markdown]
# Mirrored, grey, even upside down she stays a cat. But on her side the network hardly knows her, and with blue for red she turns into something else. And no error is raised, ever: you get a bad answer, and that is all. So the package reads photographs with care, in `read_photo`: it turns them upright, puts white behind transparent parts, and converts whatever came into RGB of eight bits.
#
# `classify_photo` does everything that we have seen, in one line: read, five looks, average, temperature.

# %% alt="The photograph of the cat with the answer above it, cat, and three bars below: nearly all for cat." tags=["diagram"]
answer = classify_photo(YOUR_PHOTO or photographs / "chelsea.png")
print(answer)
ax = answer.plot()

# %% [markdown]
# ## 4 None of these
#
# Now for the strangers. Here are eight photographs that two packages bring along, all in colour. There is no astronaut among our ten classes, no coffee, no temple and no galaxy. But the
# network's probabilities always sum to 1. It *has* to name something. **Before you run the cell:** what is a cup of coffee, if it must be one of airplane, automobile, bird, cat, deer, dog, frog, horse,
# ship and truck?

# %% jupyter={"source_hidden": true} tags=["hide-input", "setup"]
more = Path(sklearn.datasets.__file__).parent / "images"
strangers = [
    photographs / "astronaut.png",
    photographs / "coffee.png",
    photographs / "rocket.jpg",
    photographs / "motorcycle_left.png",
    photographs / "hubble_deep_field.jpg",
    photographs / "retina.jpg",
    more / "china.jpg",
    more / "flower.jpg",
]
forced = [classify_photo(photo, threshold=0) for photo in strangers]


# %% alt="Eight photographs with forced answers, each of them wrong." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
def show(answers):
    """Photographs in two rows, with their answers."""
    fig, axes = plt.subplots(2, 4, figsize=(8, 6.2))
    for ax, answer in zip(axes.flat, answers, strict=True):
        answer.plot(ax).set_anchor("S")
    fig.subplots_adjust(0.01, 0.13, 0.99, 0.95, wspace=0.1, hspace=0.65)


show(forced)

# %% [markdown]
# All of them wrong, of course. But look at the bars: none is as long as Chelsea's. So let the network keep silent when it is not sure. *How* sure must it be? That is our choice, and the validation images show how many answers a stricter limit costs. Sort them by confidence, answer the surest first, and watch the accuracy of the answers. (`views=6` looks at each image also mirrored and shifted by a pixel, as in notebook 05, and `share=0.25` does so only where it helps. **Coverage** is the share of images that get an answer.)

# %%
probabilities = predict_probabilities(
    model, data.x_val, views=6, share=0.25, temperature=about.temperature
)
curve = selective_accuracy(data.y_val, probabilities)
promise = min(PROMISE, curve["accuracy"].max())
kept = curve[curve["accuracy"] >= promise]
coverage, threshold = kept["coverage"].max(), kept["confidence"].min()
print(
    f"{promise:.0%} of the answers are right from a confidence of {threshold:.2f} on."
)
print(f"The network then answers {coverage:.0%} of the validation images.")

# %% alt="A curve of accuracy against the share of images that are answered, falling to the right; a dot marks the share at which the promise is just kept." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
few = (
    len(curve) // 50
)  # with fewer images, one more right or wrong moves the curve a lot
ax.plot(curve["coverage"][few:], curve["accuracy"][few:], color=BLUE)
ax.plot(coverage, promise, "o", color=ORANGE)
ax.annotate("our promise", (coverage, promise), (-6, -14), textcoords="offset points",
            color=ORANGE, ha="right")  # fmt: skip
ax.set(xlim=(0, 1), xlabel="share of images answered, the surest first")
ax.set_ylabel("of these, right")
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# That is our threshold. It was chosen on images of the ten classes, without a single stranger. For a photograph we average five looks, which makes the answers more careful still. Will it keep the strangers out?

# %% alt="The same eight photographs: seven of them are now not sure, but the flower is still called a bird." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
careful = [classify_photo(photo, threshold=threshold) for photo in strangers]
show(careful)

# %% [markdown]
# Nearly all of them. And the cat stays a cat, since she is far above the threshold. But one stranger walks straight in: the flower is a bird, and the network is quite sure. Look at it with the eyes of something that knows only ten things. A round, bright, feathery thing in front of dark green leaves: perhaps you would say the same.
#
# That is the limit of the method, and you should know it. **Confidence measures doubt between known classes. It does not recognise the unknown** [2]. Where strangers matter, show the network some in training, as a class of their own, or compare new pictures with those it has seen.
#
# ## 5 Classes of your own
#
# You don't care about frogs and trucks? Then teach the network something else. We want it to tell fishes, houses and mugs apart, and we have thirty pictures of each. To keep the
# notebook free of downloads, we draw ours: a thing of random colours, tilted and stretched, in front of a piece of photograph. You have pictures of your own? Then make two folders, each with one folder of pictures for each class: one to learn from and one to judge by. Put their paths in `folder` and `exam` below, instead of the drawing.


# %% jupyter={"source_hidden": true} tags=["hide-input", "setup"]
def draw_thing(kind, canvas, colours, unit):
    """Draw a fish, a house or a mug on a transparent canvas of 100 x 100 units."""
    draw, (first, second) = ImageDraw.Draw(canvas), colours

    def box(*corners):
        return [corner * unit for corner in corners]

    if kind == "mug":
        draw.ellipse(box(55, 38, 85, 70), outline=first, width=int(6 * unit))
        draw.rounded_rectangle(box(25, 28, 66, 80), radius=6 * unit, fill=first)
        draw.ellipse(box(25, 24, 66, 36), fill=second)
    elif kind == "house":
        draw.rectangle(box(28, 48, 72, 82), fill=first)
        draw.polygon(box(20, 50, 50, 20, 80, 50), fill=second)
        draw.rectangle(box(45, 60, 56, 82), fill=second)
    else:
        draw.ellipse(box(15, 34, 68, 68), fill=first)
        draw.polygon(box(60, 51, 86, 32, 86, 70), fill=first)
        draw.ellipse(box(25, 44, 33, 52), fill=second)


# %% jupyter={"source_hidden": true} tags=["hide-input", "setup"]
def draw_picture(kind, photo, rng, size=96):
    """One of the things before a random piece of a photograph."""
    part = int(rng.integers(120, 260))
    x, y = rng.integers(0, photo.width - part), rng.integers(0, photo.height - part)
    picture = photo.crop((x, y, x + part, y + part)).resize((size, size))
    thing = Image.new("RGBA", (4 * size, 4 * size))
    colours = [tuple(map(int, rng.integers(0, 256, 3))) for _ in range(2)]
    draw_thing(kind, thing, colours, 4 * size / 100)
    thing = thing.rotate(rng.normal(0, 15), resample=Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    width = int(size * rng.uniform(0.55, 1))
    thing = thing.resize((width, width))
    x, y = rng.integers(0, size - width + 1, 2)
    picture.paste(thing, (int(x), int(y)), thing)
    return picture


def draw_folder(count, photos, rng):
    """A folder with a folder of pictures for each class; where it is."""
    root = Path(mkdtemp())
    scenes = [Image.open(photo).convert("RGB") for photo in photos]
    for kind in KINDS:
        (root / kind).mkdir()
        for i in range(count):
            picture = draw_picture(kind, scenes[i % len(scenes)], rng)
            picture.save(root / kind / f"{i:03d}.png")
    return root


KINDS = ("fish", "house", "mug")

# %% [markdown]
# The things to learn from stand in front of coffee, rocket and motorcycle. Those to judge by stand in front of the astronaut, the temple and the flower. So remembering the scenery won't help.

# %% tags=["setup"]
rng = np.random.default_rng(SEED)
folder = draw_folder(PICTURES, [strangers[i] for i in (1, 2, 3)], rng)
exam = draw_folder(JUDGES, [strangers[i] for i in (0, 6, 7)], rng)


def load_folder(folder):
    """All pictures of a folder, averaged down to 32 x 32 pixels, and their labels."""
    pictures = keras.utils.image_dataset_from_directory(
        folder,
        image_size=(32, 32),
        interpolation="area",
        batch_size=None,
        verbose=False,
    )
    images, labels = map(np.array, zip(*pictures.as_numpy_iterator(), strict=True))
    return images.round().astype("uint8"), labels, pictures.class_names


mine, mine_labels, names = load_folder(folder)
judges, judges_labels, _ = load_folder(exam)
print(len(mine), "pictures to learn from,", len(judges), "to judge by:", *names)

# %% alt="Rows of small pictures: fishes, houses and mugs of random colours, before pieces of photographs." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
some = [mine[mine_labels == k][:10] for k in range(3)]
ax = plot_images(np.concatenate(some), columns=len(some[0]), data_name="drawn pictures")

# %% [markdown]
# We can get a network for these pictures in three ways. All three share their layers, but for a new last one with an output for each of our classes.
#
# * **Anew**: forget CIFAR-10 and start from random weights.
# * **Frozen**: keep all weights that CIFAR-10 has taught, and train the last layer only. This is **transfer learning** [1] in its cheapest form: the network's last feature maps are used as they are.
# * **Fine-tuned**: start from these weights, but let all of them move.
#
# **Before you run the cells:** rank the three by their accuracy on new pictures, and guess how many the best one will get right. Blind guessing gets a third.


# %% tags=["setup"]
def my_network(way):
    """A network for our own classes, in one of the three ways."""
    if way == "anew":
        source = build_model("fast_cnn_large", **about.options)
    else:
        source = load_trained("fast_cnn_large")
    body = keras.Model(source.input, source.get_layer("max_pool").output)
    body.trainable = way != "frozen"
    pixels = keras.Input((32, 32, 3))
    varied = pixels
    for layer in (
        layers.RandomFlip("horizontal"),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomRotation(0.05),
    ):
        varied = layer(varied)
    logits = layers.Dense(len(names), name="own_classes")(body(varied))
    return keras.Model(pixels, logits)


# %% tags=["setup"]
def teach(network, rate, epochs=TUNING_EPOCHS, batch=15):
    """Train by Adam, the rate falling to zero; accuracies: learned from, judges."""
    steps = epochs * -(-len(mine) // batch)
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(mine, mine_labels, batch_size=batch, epochs=epochs, verbose=0)
    known = network.evaluate(mine, mine_labels, verbose=0, batch_size=300)[1]
    return known, network.evaluate(judges, judges_labels, verbose=0, batch_size=300)[1]


# %% tags=["setup"]
rates = {"anew": 1e-3, "frozen": 1e-2, "fine-tuned": 1e-3}
results = {way: [] for way in rates}
for seed in SEEDS:
    for way, rate in rates.items():
        keras.utils.set_random_seed(seed)
        mine_network = my_network(way)
        results[way].append(teach(mine_network, rate))
for way, scores in results.items():
    known, judged = np.mean(scores, axis=0)
    print(f"{way}: {known:.0%} of the pictures it learned from, ", end="")
    print(f"{judged:.0%} of the others")

# %% alt="For each of the three ways, a hollow dot a seed for the pictures learned from and a full dot for the others: anew is perfect on its own and near guessing elsewhere; fine-tuned is far ahead." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.5, 2.6), layout="constrained")
for row, (way, scores) in enumerate(results.items()):
    known, judged = np.transpose(scores)
    ax.plot(known, np.full(len(known), row), "o", color=BLUE, mfc="none", clip_on=False)
    ax.plot(judged, np.full(len(known), row), "o", color=BLUE, clip_on=False)
    ax.plot([judged.mean(), known.mean()], [row, row], color=BLUE, lw=1, alpha=0.3)
    if way == "anew":
        ax.text(known.mean(), 0.3, "learned from", ha="center", color="0.3")
        ax.text(judged.mean(), 0.3, " never seen", color="0.3")
ax.axvline(1 / len(names), color=GREY, ls="--", lw=1)
ax.text(1 / len(names), 2.4, "guessing ", ha="right", color="0.4")
ax.set(yticks=range(3), yticklabels=results, xlim=(0, 1), ylim=(-0.5, 2.6))
ax.set_xlabel("accuracy, a dot for each seed")
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.spines[["top", "right", "left"]].set_visible(False)
label_source(ax, f"drawn pictures; first trained on {data.name}")

# %% [markdown]
# The network that starts anew gets nearly every picture right that it learned from, and does little better than blind guessing on the others. It has learned the ninety pictures by heart, scenery and all. So many weights, so few pictures.
#
# The frozen one can't even learn them by heart. Its last feature maps hold what tells cats from dogs. Nobody ever asked it for handles and chimneys, so there was no reason to keep them. Exercise 2 looks for them one stage earlier.
#
# The fine-tuned one has the best of both. Its first layers know edges, corners and blobs already, from tens of thousands of photographs, and its
# later layers may look for something new in them. It too learns the ninety pictures by heart, but it does so by features that also work on new pictures. This is why hardly anybody trains from random weights when pictures are few.
#
# Use it like the old one. `classify_photo` takes any Keras network.

# %% alt="A drawn mug, told by the fine-tuned network, with bars for mug, fish and house." tags=["diagram"]
picture = exam / "mug" / "000.png"
answer = classify_photo(picture, mine_network, class_names=names)
print(answer)
ax = answer.plot()

# %% [markdown]
# ## 6 Out of Keras
#
# A network in memory dies with the notebook. Saving it is one line, and loading it another. What comes back must be *the same* network. Don't believe it: test it.

# %% tags=["nbval-check-output"]
files = Path(mkdtemp())
model.save(files / "model.keras")
again = keras.saving.load_model(files / "model.keras")
images = data.x_val[:100].astype("float32")
before, after = (np.asarray(m(images, training=False)) for m in (model, again))
print("equal to the last bit:", np.array_equal(before, after))

# %% [markdown]
# That file opens wherever Keras is installed. A phone, a web page or a small server has no Keras. For them there are formats that hold nothing but the arithmetic. **LiteRT** (once TensorFlow Lite) is
# made for phones and small devices. **ONNX** runs nearly anywhere, from a browser to C++. Keras writes both.

# %%
with warnings.catch_warnings(), quiet_stderr():
    warnings.simplefilter("ignore")  # of the converters, about their own future
    model.export(files / "model.tflite", format="litert", verbose=False)
    model.export(files / "model.onnx", format="onnx", verbose=False)
for file in sorted(files.iterdir()):
    print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# Each has a small *interpreter* of its own. We wrap both, so that they look alike: images in, logits out.


# %%
def open_litert(path):
    with quiet_stderr():  # it greets
        reader = Interpreter(str(path), num_threads=2)
        reader.allocate_tensors()
    (entry,), (end,) = reader.get_input_details(), reader.get_output_details()

    def logits(images):
        reader.resize_tensor_input(entry["index"], images.shape)
        reader.allocate_tensors()
        reader.set_tensor(entry["index"], images)
        reader.invoke()
        return reader.get_tensor(end["index"])

    return logits


def open_onnx(path):
    session = onnxruntime.InferenceSession(path)
    (entry,) = session.get_inputs()
    return lambda images: session.run(None, {entry.name: images})[0]


# %%
formats = {
    "Keras": lambda images: model.predict_on_batch(images),
    "LiteRT": open_litert(files / "model.tflite"),
    "ONNX Runtime": open_onnx(files / "model.onnx"),
}
many = data.x_val[:1_000].astype("float32")
logits = {name: run(many) for name, run in formats.items()}
for name, found in logits.items():
    same = np.sum(found.argmax(axis=1) == logits["Keras"].argmax(axis=1))
    print(f"{name}: the same class as Keras for {same:,} of {len(many):,} images")

# %% [markdown]
# They are not equal to the last bit, since each adds its floating-point numbers in an order of its own. But they name the same classes. Are they as fast, too? **Before you run the cell:** with one image at a time, which one wins?
# And with a hundred at once?

# %%
seconds = {name: {1: [], 100: []} for name in formats}
for _ in range(TURNS):  # in turns, so that a busy moment hits all of them
    for name, run in formats.items():
        for batch in (1, 100):
            run(many[:batch])  # the first call with a new size prepares things
            begin = time.perf_counter()
            run(many[:batch])
            seconds[name][batch].append((time.perf_counter() - begin) / batch)

# %% alt="Bars of milliseconds an image for Keras, LiteRT and ONNX Runtime, with one image and with a hundred at a time." jupyter={"source_hidden": true} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 2.2), layout="constrained")
titles = ("one image at a time", "a hundred at once")
for ax, batch, title in zip(axes, (1, 100), titles, strict=True):
    times = {name: 1e3 * np.median(found[batch]) for name, found in seconds.items()}
    ax.barh(list(times), times.values(), color=BLUE, height=0.6)
    for row, value in enumerate(times.values()):
        ax.text(value, row, f" {value:.1f} ms", va="center")
    ax.set(title=title, xlabel="milliseconds an image", ylim=(2.5, -0.5))
    ax.set_xlim(0, 1.25 * max(times.values()))
    ax.spines[["top", "right"]].set_visible(False)
label_source(axes[1], data.name)

# %% [markdown]
# For a single image, Keras spends much of its time on things around the arithmetic, and an interpreter that was made for this has less overhead in each call. With a hundred images at once the arithmetic decides, and that is much the same for all. Other programs on the same machine can upset the order. So export if you serve single requests. If you work through a folder, stay where you are.
#
# ## 7 One number too many
#
# Each weight takes 32 bits. Could eight do? Take the largest weight of an output channel, divide the range up to it into 127 steps, and store for each weight $w$ the nearest step $q$, a whole number from −127 to 127. This is **quantization** [3]. In one line, with a scale $s$ for each output channel:
#
# $$ w \;\approx\; s \cdot q, \qquad s = \frac{\max |w|}{127}, \qquad q = \text{round}(w / s) $$
#
# Say the weights are 0.5, −0.3 and 0.1. The step is 0.004, and nobody notices the rounding. Now put a 50 beside them: the step becomes 0.4, and hardly anything is left of the three. Remember that.
#
# The file shrinks to a quarter. And a processor multiplies small whole numbers faster, if the values *between* the layers are stored in such steps, too. For these, the tool has to see how large they become, so we show it a
# few training images. That is called **calibration**.


# %%
class Samples(CalibrationDataReader):
    """Training images in batches, as the tool wants them."""

    def __init__(self, count=500, batch=50):
        chosen = data.x_train[:count].astype("float32")
        batches = np.array_split(chosen, max(1, len(chosen) // batch))
        self.left = iter([{"pixels": images} for images in batches])

    def get_next(self):
        return next(self.left, None)


def to_eight_bits(path, leave=()):
    """Quantize the convolutions and the last layer, but for those that are left out."""
    kinds = ["Conv", "Gemm", "MatMul"]
    options = {"per_channel": True, "op_types_to_quantize": kinds}
    quantize_static(ready, path, Samples(), nodes_to_exclude=list(leave), **options)
    return open_onnx(path)


# %%
ready = files / "ready.onnx"
quant_pre_process(files / "model.onnx", ready, skip_symbolic_shape=True)
eight_bits = to_eight_bits(files / "eight_bits.onnx")
x_few, y_few = many, data.y_val[: len(many)]
for name, run in {"32 bits": formats["ONNX Runtime"], "8 bits": eight_bits}.items():
    found = run(x_few).argmax(axis=1)
    print(f"{name}: {np.mean(found == y_few):.1%} of {len(x_few):,} validation images")

# %% [markdown]
# A quarter of the size, and several points are gone! Textbooks promise that eight bits cost next to nothing. Something is wrong with *this* network. Let us question the layers one by one: round the weights of one layer, leave all
# others as they are, and count. **Before you run the cell:** the first layer, the last one, or the largest one. Which one do you suspect?


# %%
def rounded(weights):
    """Weights to 127 steps up and down, with a scale for each output channel."""
    scale = (
        np.abs(weights).max(axis=tuple(range(weights.ndim - 1)), keepdims=True) / 127
    )
    return np.round(weights / scale) * scale


guilty = {}
for layer in model.layers:
    if isinstance(layer, layers.Conv2D | layers.Dense):
        weights = layer.get_weights()
        layer.set_weights([rounded(weights[0]), *weights[1:]])
        found = model.predict(x_few, batch_size=250, verbose=0).argmax(axis=1)
        guilty[layer.name] = np.mean(found == y_few)
        layer.set_weights(weights)

# %% alt="A dot for each layer: the accuracy when that layer's weights are rounded. All lie at the dashed line of the network as it is, but for the second convolution." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
whole = np.mean(logits["Keras"].argmax(axis=1) == y_few)
worst = min(guilty, key=guilty.get)
colours = [ORANGE if name == worst else BLUE for name in guilty]
ax.hlines(list(guilty), guilty.values(), whole, color=colours, lw=2)
ax.scatter(guilty.values(), list(guilty), color=colours, zorder=3)
ax.axvline(whole, color="0.3", ls="--", lw=1)
ax.text(whole, -0.75, "as it is", ha="center", color="0.3")
ax.set(xlabel="validation accuracy, with this layer rounded", ylim=(7.5, -0.5))
ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# One layer, the second one. (Mind the scale of the axis, and that one image more or less is a tenth of a point.) Its weights are rounded as finely as those of the others. So look at what they are *multiplied with*. The layer's input is the output of the whitening layer of notebook 05:
# 24 channels, each a small pattern.

# %%
layer = model.get_layer("stage1_1_conv")
before = keras.Model(model.input, layer.input)
channels = np.abs(before.predict(data.x_val[:200], verbose=0)).mean(axis=(0, 1, 2))
loudest = channels.argmax()
bias = model.get_layer("whitening_conv").get_weights()[1]
loud = channels[loudest], bias[loudest]
print(f"channel {loudest}: {loud[0]:.0f} on average, its bias {loud[1]:.0f}")
print(f"a usual channel: {np.median(channels):.1f} on average")

# %% alt="Bars for 24 channels: most are hardly to be seen, half a dozen are tall, and one towers over all." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.5, 2.2), layout="constrained")
colours = [ORANGE if k == loudest else BLUE for k in range(len(channels))]
ax.bar(range(len(channels)), channels, color=colours)
ax.set(xlabel="channel behind the whitening layer", ylabel="mean size")
ax.text(loudest + 0.5, channels[loudest], " the loudest", color=ORANGE, va="top")
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# Most channels are quiet. A few are loud, and one is louder than all. Is it the culprit? Round the guilty layer once more, but spare the weights for the loudest channel.

# %%
(weights,) = layer.get_weights()
spared = rounded(weights)
spared[:, :, loudest] = weights[:, :, loudest]
layer.set_weights([spared])
found = model.predict(x_few, batch_size=250, verbose=0).argmax(axis=1)
layer.set_weights([weights])
print(f"all its channels rounded: {guilty[layer.name]:.1%}")
print(f"all but the loudest: {np.mean(found == y_few):.1%}, and none: {whole:.1%}")

# %% [markdown]
# There it is, most of it. A bias, which a layer adds to all places of a channel, has grown far beyond its fellows in training, so that this channel has nearly the same loud value at every pixel of every image. In 32 bits this does no harm: the batch normalisation behind the next layer subtracts the mean, and the loudness is gone. In eight bits it does harm twice. The rounding error of each weight is multiplied by the loud value; that is what we have just seen. And the values between the layers are stored in steps that must reach up to it, so they become coarse for all the quiet channels. That is your 50 beside the 0.5.
#
# Language models have such *outlier channels*, too, and need special care in eight bits because of them [4]. The cure there is also the cure here: **leave what sees the outlier as it is.** Here that is the first layer, whose output is loud, and the second one, whose input it is.
#
# We have chosen and measured on validation images so far. The test set has the last word, and this notebook opens it now.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
nodes = onnx.load(ready).graph.node
layer_names = [node.name for node in nodes if node.op_type == "Conv"]
mended = to_eight_bits(files / "mended.onnx", leave=layer_names[:2])
rows = {
    "32 bits": (formats["ONNX Runtime"], "model.onnx"),
    "8 bits": (eight_bits, "eight_bits.onnx"),
    "8 bits, but for two layers": (mended, "mended.onnx"),
}
for name, (run, file) in rows.items():
    found = np.concatenate(
        [run(x) for x in np.array_split(x_test.astype("float32"), 10)]
    )
    score = np.mean(found.argmax(axis=1) == y_test)
    size = (files / file).stat().st_size / 1e6
    print(f"{name}: {size:.1f} MB, {score:.1%} of {len(y_test):,} test images")

# %% [markdown]
# The accuracy is back, at a quarter of the size. So eight bits are nearly free after all, once you have found the number that is too large.
#
# ## Check your understanding
#
# **1.** You tune the threshold on photographs of your garden until all strangers among them are refused. Then you write: "The model recognises
# things that it doesn't know." What is wrong?
#
# <details><summary>Answer</summary>The threshold was chosen to fit those strangers, so of course it fits them. Others may look more like one of the ten classes, as
# our flower does. To make such a claim, you need strangers that had no say in the choice.</details>
#
# **2.** Your fine-tuned network gets all ninety pictures right. Your colleague's frozen one gets two thirds. Whose is better?
#
# <details><summary>Answer</summary>You can't tell from these numbers. They are on pictures that were learned from, and the network that started
# anew had nearly all of them right, too. Only pictures that nobody learned from can answer.</details>
#
# **3.** After the export, the network names the same class for all test images, but the probabilities differ in the sixth decimal. Is the export broken?
#
# <details><summary>Answer</summary>No. Sums of floating-point numbers depend on the order in which they are added, and each
# tool has its own. Differences of that size are normal, and those of whole percents are not.</details>
#
# ## How far to trust this
#
# > * **The photographs** are eight strangers and one cat. They are examples, not a measurement. We looked at none of them when we chose the
# >   threshold; but the five looks were tried on them before they went into the package.
# > * **The threshold's promise** holds for images that are drawn like the validation images. It was chosen on them, and photographs are different.
# > * **The drawn pictures** are simpler than yours. How much fine-tuning gains depends on how far your classes are from those of CIFAR-10.
# >   Learning rates were tried on two seeds and not tuned further; the order of the three ways did not depend on them.
# > * **Latency** is that of one machine and one run. Expect another order on another processor.
#
# ## Three takeaways
#
# 1. **An accuracy belongs to its images.** Make a photograph look like the images of the training: upright, averaged down, the thing large. Look more than once.
# 2. **When pictures are few, fine-tune.** Training anew learns them by heart; frozen features know only what they were once asked for.
# 3. **After each move, compare.** A saved, exported or quantized network is a new one until you have shown that it gives the same answers.
#
# This is the end of the series. You began with a data set and the question what is wrong with it, and you leave with networks that you have trained, judged, broken, mended and sent out into the world. Go and show it your cat.

# %% [markdown]
# ## Exercises
#
# The check below each answer tells you the first case that fails, and a hint. Worked solutions:
# [solutions to 09](solutions/09_use_your_model.ipynb).

# %% [markdown]
# **Exercise 1 ★** A logo has a fourth channel, its **alpha**: 255 where a pixel is solid, 0 where it is transparent, and something between at soft edges. Write `on_white(pixels)`: the colours that you would see if
# you laid the logo on white paper. `pixels` has shape (height, width, 4), of `uint8`; return shape (height, width, 3), also `uint8`, rounded.


# %% tags=["answer-1"]
def on_white(pixels):
    return None  # your answer: an array of shape (height, width, 3)


# %% tags=["check-1"]
logo = np.array([[[10, 200, 30, 255], [10, 200, 30, 0], [0, 100, 255, 51]]], "uint8")
seen = np.array([[[10, 200, 30], [255, 255, 255], [204, 224, 255]]], "uint8")


def same_pixels(right):
    def problem(result):
        if getattr(result, "dtype", None) != np.uint8 or result.shape != right.shape:
            return f"it should be uint8 of shape {right.shape}"
        wrong = np.abs(result.astype(int) - right).max() > 1
        return f"the pixels should be {right.tolist()}" if wrong else None

    return problem


check_answer(
    1,
    on_white,
    [((logo,), same_pixels(seen)), ((logo[:, :1],), same_pixels(seen[:, :1]))],
    "Mix colour and white by alpha / 255, in floats, and round only at the end.",
)

# %% [markdown]
# **Exercise 2 ★★** Frozen features did badly. Have only the *last* feature maps forgotten too much? What about earlier ones? Write `thaw(body, first)`: freeze all layers of the network `body` before the layer named
# `first`, let that layer and all after it learn, and return how many layers can learn now. Then use it on `my_network("fine-tuned")`, whose body is its layer that is itself a `keras.Model`: how much of the gain is left if only the last stage may learn?


# %% tags=["answer-2"]
def thaw(body, first):
    return None  # your answer: the number of layers that can learn


# %% tags=["check-2"]
def small_stack():
    stack = [layers.Dense(2, name=f"dense_{i}") for i in range(4)]
    return keras.Sequential([keras.Input((2,)), *stack])


def thawed(first):
    """What `thaw` returned, and which layers it left trainable."""
    stack = small_stack()
    stack.trainable = False
    count = thaw(stack, first)
    if count is None:
        return None
    return np.array([count, *(layer.trainable for layer in stack.layers)], int)


check_answer(
    2,
    thawed,
    [
        (("dense_2",), np.array([2, 0, 0, 1, 1])),
        (("dense_0",), np.array([4, 1, 1, 1, 1])),
    ],
    "Set body.trainable first, then go through body.layers.",
)

# %% [markdown]
# **Why?** The fine-tuned network learns the ninety pictures by heart, just like the one that starts anew. Why is learning by heart harmless for one, and fatal for the other?
#
# <details><summary>Answer</summary>There are very many networks that get ninety pictures right. Which of them training finds depends on where it starts. From random weights the nearest one may remember a spot of
# scenery in each picture. From trained weights the nearest one uses features that are there already: edges, corners, round things. A small change of the last layers tells mugs from fishes by
# them, and such a rule holds for new pictures, too. Perfect training accuracy says only that training has ended. It does not say how.</details>
#
# **Exercise 3 ★★★** An open challenge, for an evening: the same ninety pictures, and nothing else to learn from, but a better network. Write `my_best()`: it trains a network on `mine` and `mine_labels` and returns it; it takes
# `judges` from pixels to logits. It may take a few minutes. Never train on `judges`. **To beat:** the mean of our fine-tuned networks.

# %%
print(f"to beat: {TO_BEAT:.1%}")


# %% tags=["answer-3"]
def my_best():
    return None  # your answer: a network


# %% tags=["check-3"]
def judged():
    network = my_best()
    if network is None:
        return None
    return np.mean(network.predict(judges, verbose=0).argmax(axis=1) == judges_labels)


def problem(reached):
    return reached <= TO_BEAT and f"it gets {reached:.1%} of the pictures, not more"


check_answer(
    3,
    judged,
    [((), problem)],
    "Colours are random here. Can you make them matter less?",
)

# %% [markdown]
# ## References
#
# 1. J. Yosinski et al., [How transferable are features in deep neural networks?](https://arxiv.org/abs/1411.1792), 2014.
# 2. D. Hendrycks and K. Gimpel, [A Baseline for Detecting Misclassified and Out-of-Distribution Examples](https://arxiv.org/abs/1610.02136), 2017.
# 3. B. Jacob et al., [Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference](https://arxiv.org/abs/1712.05877), 2018.
# 4. T. Dettmers et al., [LLM.int8()](https://arxiv.org/abs/2208.07339), 2022.
# 5. S. van der Walt et al., [scikit-image](https://doi.org/10.7717/peerj.453), 2014: the photographs, each with its licence in [its folder](https://github.com/scikit-image/scikit-image/tree/main/src/skimage/data).
#
# **Previous:** [08 · Broken on purpose](08_broken_on_purpose.ipynb) · **Start again:** [01 · Explore the dataset](01_explore_the_dataset.ipynb)
