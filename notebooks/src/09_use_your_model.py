# %% [markdown]
# # 09 · Use your model
#
# **Somewhere on your phone is a photograph of a cat. It is a hundred times too wide for our network, it is not square, and it is not in CIFAR-10. Will the network know the cat? And what will it say to your coffee, which is none of its ten
# classes?**
#
# **In this notebook the network leaves home. It meets photographs, it learns classes of your own, and it moves into files that run
# without Keras. Two things go wrong on the way: a stranger slips in, and a file comes out ruined. You will see why the first is so hard to stop, and catch the culprit of the second.**
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
# **Before you start** read [notebook 02](02_baseline_cnn.ipynb), for logits, feature maps and batch normalisation. The network comes trained with the package: [notebook 05](05_a_better_recipe.ipynb) tells how, and [07](07_judge_the_model.ipynb) how far its percentages can be trusted. What we need from them is repeated here.
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
    tools = ["ai-edge-litert", "onnx<1.23", "onnxruntime", "tf2onnx"]
    check_call([sys.executable, "-m", "pip", "install", "-q", *tools])

from cifar_utils.notebook import check_answer, quiet_stderr, start

start(seed=0)

import os
import time
import warnings
from contextlib import redirect_stdout
from io import StringIO
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
from cifar_utils.photo import classify_photo, photo_views, read_photo
from cifar_utils.plotting import label_source, plot_images
from cifar_utils.pretrained import TRAINED, load_trained

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.6"

# %% [markdown]
# ## Settings
#
# These are the values of a real run; a quick test of the notebook uses smaller ones. You need none of them yet.

# %% tags=["parameters"]
SEED = 0
VAL_SIZE = 5_000
LIMIT = None  # training images; None for all
PROMISE = 0.98  # share of the answers that must be right, in section 4
KNOWN = 1_000  # validation images that we spoil, in section 2
PICTURES = 30  # of each class of section 5, to learn from
EXAM = 200  # of each class, to test with
TUNING_EPOCHS = 30
SEEDS = [0, 1, 2]
TO_BEAT = 0.85  # what fine-tuning reaches in section 5, for exercise 3
TEST_LIMIT = 2_000  # test images, in section 7
TURNS = 30  # of each format, when we measure speed

# %% [markdown]
# ## 1 A cat in 32 pixels
#
# This is Chelsea. Her photograph comes with the package scikit-image [5], and so do others that we shall meet. Her colours are numbers
# from 0 to 255, exactly what the network takes. But it takes only squares of 32 × 32 pixels. `about` holds what the package knows of the trained network, and `model` is the network itself.

# %% tags=["setup"]
data = load_cifar10(val_size=VAL_SIZE, seed=SEED, limit=LIMIT)
about, model = TRAINED["fast_cnn_large"], load_trained("fast_cnn_large")
photographs = Path(skimage.data.__file__).parent
more = Path(sklearn.datasets.__file__).parent / "images"
chelsea = Image.open(photographs / "chelsea.png").convert("RGB")
print(f"Chelsea: {chelsea.width} x {chelsea.height}; an image of {data.name}: 32 x 32")

# %% [markdown]
# So we cut the largest square out of the middle, and shrink it. There are two obvious ways to shrink. We can *pick* one pixel out of each small block and throw the others
# away. Or we can *average* each block. **Before you run the cell:** which of the two will look better to you, and which to the network?

# %% alt="A cat's face three times: the photograph, and two versions of 32 by 32 pixels; the one made by picking is ragged, the averaged one smooth." tags=["diagram"]
side = min(chelsea.size)
left, top = (chelsea.width - side) // 2, (chelsea.height - side) // 2
square = chelsea.crop((left, top, left + side, top + side))
picked = square.resize((32, 32), Image.Resampling.NEAREST)
averaged = square.resize((32, 32), Image.Resampling.BOX)

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
# Both times she is a cat. That was to be expected: CIFAR-10 has many cats' faces that fill the picture. She doesn't need the average, then. Other pictures do: picking turns fine stripes, hair and text into patterns that are not there, which is called **aliasing**. Some libraries pick by default (`tf.image.resize` without `antialias` is one), so ask for averaging.
#
# The percentage is the network's **confidence**, its largest probability. A raw network is often too sure or too shy. So `ask` divides its logits by one number, the **temperature** of [notebook 07](07_judge_the_model.ipynb). After that, about nine in ten of the answers with a confidence of 90 % are right, on images like the validation images.
#
# ## 2 It must fill the picture
#
# What made it so easy? In most images of CIFAR-10, the thing stands in the middle and fills much of the square. Your photographs won't be so tidy. So let us take validation images, whose classes we know, and make the thing smaller. We do it in two ways, to see what hurts: the small
# thing stands in a blurred frame of its own colours, or its few pixels are stretched over the whole square again.


# %%
def in_a_frame(pixels, size):
    image = Image.fromarray(pixels)
    frame = image.filter(ImageFilter.GaussianBlur(6))
    small = image.resize((size, size), Image.Resampling.BOX)
    frame.paste(small, ((32 - size) // 2, (32 - size) // 2))
    return np.array(frame)


def stretched(pixels, size):
    small = Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX)
    return np.array(small.resize((32, 32), Image.Resampling.BICUBIC))


# %% alt="Two images, each in two rows of six: above, the thing shrinks from left to right in a blurred frame; below, it keeps its size and becomes coarser." jupyter={"source_hidden": true} tags=["hide-input"]
sizes = (32, 28, 24, 20, 16, 12)
x_known, y_known = data.x_val[:KNOWN], data.y_val[:KNOWN]
fig, axes = plt.subplots(4, 6, figsize=(7.5, 5.2), layout="constrained")
for row, axs in enumerate(axes):
    way = (in_a_frame, stretched)[row % 2]
    for ax, size in zip(axs, sizes, strict=True):
        ax.imshow(way(x_known[row // 2], size))
        ax.set(xticks=[], yticks=[], title="" if row else f"{size} pixels")
        ax.spines[:].set_visible(False)
    axs[0].set_ylabel(way.__name__.replace("_", " "))
label_source(axes[-1, -1], data.name)

# %% [markdown]
# You can still tell what they are, nearly to the end. **Before you run the next cell:** at how many pixels will the network be right only half of the time? And which hurts more, the lost detail or the frame?

# %%
ways = {"small, in a frame": in_a_frame, "stretched again": stretched}
right = {name: [] for name in ways}
for name, way in ways.items():
    for size in sizes:
        answers = ask(np.array([way(x, size) for x in x_known])).argmax(axis=1)
        right[name].append(np.mean(answers == y_known))

# %% alt="Two falling curves of accuracy over the number of pixels left: the stretched images keep a little more than those in a frame." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
for (name, scores), color in zip(right.items(), (ORANGE, BLUE), strict=True):
    ax.plot(sizes, scores, "o-", color=color)
    ax.text(11.7, scores[-1], name, color=color, va="center")
ax.axhline(0.1, color=GREY, ls="--", lw=1)
ax.text(32, 0.12, "guessing", color="0.4")
ax.set(xlim=(33, 6), ylim=(0, 1), xticks=sizes, xlabel="pixels a side that are left")
ax.set_ylabel("validation accuracy")
ax.yaxis.set_major_formatter(PercentFormatter(1))
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# At about half its size, a thing in a frame is recognised only half of the time. Most of the loss, about three quarters, is lost detail, which the stretched images suffer, too. The frame takes the rest. The network has hardly ever seen things so small, with so much around them.
#
# An accuracy holds only for pictures like those that it was measured on. Those of CIFAR-10 were chosen and cropped by hand, and yours are not. Such a mismatch is called **distribution shift**. It is the usual reason why a model that scored well disappoints in use.
#
# We won't train the network anew. But we can show it a photograph in several ways, and hope that the thing fills one of them. We don't know where the thing is, so `photo_views` takes five looks: all of it, squeezed into a square; the square in the middle; those at the left and right ends, or at top and bottom; and a tighter crop of the middle. Then it averages the five answers.
#
# Is that any good? Try it where we know the answer. We turn validation images into wide "photographs": each stands somewhere in a blurred scene. **Before you run the next two cells:** which single look is best? Will the average beat it?


# %% alt="Five wide pictures: in each, an image of CIFAR-10 stands at another place in front of a blur." jupyter={"source_hidden": true} tags=["hide-input"]
def as_photograph(pixels, rng):
    """The image, somewhere in a wide scene of its own colours."""
    image = Image.fromarray(pixels)
    scene = image.resize((72, 48)).filter(ImageFilter.GaussianBlur(12))
    place = int(rng.integers(0, 37)), int(rng.integers(0, 13))
    scene.paste(image.resize((36, 36), Image.Resampling.BICUBIC), place)
    return np.array(scene)


rng = np.random.default_rng(SEED)
wide = np.array([as_photograph(x, rng) for x in x_known])
titles = [CLASS_NAMES[y] for y in y_known[:5]]
ax = plot_images(wide[:5], titles, columns=5, data_name=data.name)

# %%
looks = np.concatenate([photo_views(photograph) for photograph in wide])
said = ask(looks).reshape(len(wide), 5, len(CLASS_NAMES))
averages = said.mean(axis=1)
titles = ["all of it", "the middle", "one end", "the other end", "closer"]
for k, title in enumerate(titles):
    print(f"{title}: {np.mean(said[:, k].argmax(axis=1) == y_known):.0%} right")
print(f"average: {np.mean(averages.argmax(axis=1) == y_known):.0%} right")

# %% [markdown]
# The average beats every single look, even the best. The looks err on different pictures, and where one errs, the others often make up for it. Now for a real photograph.

# %% alt="Five small squares of one photograph of a rocket: all of it, squeezed; the middle; the left end; the right end; the middle from closer." tags=["diagram"]
rocket = np.array(Image.open(photographs / "rocket.jpg"))
looks = photo_views(rocket)
ax = plot_images(looks, titles, columns=5, data_name="a photograph")
for title, said in zip(titles, ask(looks), strict=True):
    print(f"{title}: {CLASS_NAMES[said.argmax()]}, {said.max():.0%} sure")

# %% [markdown]
# A rocket is none of the ten classes, and the five looks contradict each other. That is useful! Where they disagree, the average is unsure. We shall need that in section 4.
#
# ## 3 Files that fool you
#
# A file can fool you before any network sees it. A phone that is held upright may save the picture lying on its side, with a note: "turn me". Not every reader of files reads the note. Some libraries store blue first and red last. Some pictures have no colours at all. So we hand Chelsea over as a careless reader would: mirrored, grey, with red and blue swapped, on her side, and upside down. **Before you run the cell:** which of these will no longer be a cat?

# %% alt="Six versions of the cat's face: as she is, mirrored, grey, with red and blue swapped, on her side, upside down, each with the network's answer." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
cat = np.array(averaged)
spoilt = {
    "as she is": cat,
    "mirrored": cat[:, ::-1],
    "grey": np.repeat(cat.mean(axis=2, keepdims=True), 3, axis=2).astype("uint8"),
    "red and blue swapped": cat[:, :, ::-1],
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
# Mirrored, grey, even upside down she stays a cat. Lying on her side, she is hardly recognised, and with red and blue swapped she turns into something else. No error is raised. Only the low percentages hint that something is wrong, and section 4 makes use of them. So the package reads photographs with care, in `read_photo`: it turns them upright, puts white behind transparent parts, and converts every file to the RGB values from 0 to 255 that the network takes.
#
# `classify_photo` does everything that we have seen, in one line: read, five looks, average, temperature. Do you have a photograph of your own? Put its path between the quotes.

# %% alt="The photograph of the cat with the answer above it, cat, and three bars below: nearly all for cat." tags=["diagram"]
your_photo = ""
answer = classify_photo(your_photo or photographs / "chelsea.png")
print(answer)
ax = answer.plot()

# %% [markdown]
# ## 4 None of these
#
# Now for the strangers: eight photographs that two packages bring along. There is no astronaut among our ten classes, no coffee, no temple and no galaxy. But the
# network's probabilities always sum to 1. It *has* to name something. **Before you run the cell:** what is a cup of coffee, if it must be one of airplane, automobile, bird, cat, deer, dog, frog, horse,
# ship and truck?

# %% alt="Eight photographs with their names and forced answers, each of them wrong." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
strangers = {
    "an astronaut": photographs / "astronaut.png",
    "coffee": photographs / "coffee.png",
    "a rocket": photographs / "rocket.jpg",
    "a motorcycle": photographs / "motorcycle_left.png",
    "galaxies": photographs / "hubble_deep_field.jpg",
    "an eye's retina": photographs / "retina.jpg",
    "a temple": more / "china.jpg",
    "a flower": more / "flower.jpg",
}
forced = {name: classify_photo(file, threshold=0) for name, file in strangers.items()}
fig, axes = plt.subplots(2, 4, figsize=(8, 6.2))
for ax, (name, answer) in zip(axes.flat, forced.items(), strict=True):
    answer.plot(ax).set_anchor("S")
    ax.set_title(f"{name}: “{answer.label}”", fontsize=9)
fig.subplots_adjust(0.01, 0.13, 0.99, 0.95, wspace=0.1, hspace=0.65)

# %% [markdown]
# All of them wrong, of course; even the coffee is a cat. But look at the bars: none is as long as Chelsea's. So let the network keep silent when it is not sure. *How* sure must it be? That is our choice, and the validation images show its price. Rank the validation images by confidence, and answer the surest first. As long as only the surest get an answer, nearly all answers are right; then they get worse. The share of images that gets an answer is called the **coverage**.

# %%
probabilities = predict_probabilities(
    model, data.x_val, views=6, temperature=about.temperature
)
curve = selective_accuracy(data.y_val, probabilities)
kept = curve[curve["accuracy"] >= PROMISE]
coverage, threshold = kept["coverage"].max(), kept["confidence"].min()
print(f"{PROMISE:.0%} of the answers are right from confidence {threshold:.2f} on.")
print(f"The network then answers {coverage:.0%} of the validation images.")

# %% alt="A curve of accuracy against the share of images that are answered, falling to the right; a dot marks the share at which the promise is just kept." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
few = len(curve) // 50  # of so few, one more right or wrong moves the curve a lot
ax.plot(curve["coverage"][few:], curve["accuracy"][few:], color=BLUE)
ax.plot(coverage, PROMISE, "o", color=ORANGE)
ax.annotate(f"confidence ≥ {threshold:.2f}", (coverage, PROMISE), (-6, -14),
            textcoords="offset points", color=ORANGE, ha="right")  # fmt: skip
ax.set(xlim=(0, 1), xlabel="share of images answered, the surest first")
ax.set_ylabel("accuracy of the answers")
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# That is our threshold. (Why 98 %, if 84 % sure means right in 84 %? Because most of these answers are far surer than the threshold.) The promise holds for images like these, each judged by six variants of itself, mirrored and shifted by a pixel; that is what `views=6` does. A photograph is another matter, and so is the average of five looks. **Before you run the cell:** how many of the wide "photographs" of section 2 will get an answer, and will the promise hold? And how many of the strangers will be kept out?

# %% tags=["diagram"]
sure = averages.max(axis=1) >= threshold
print(f"wide photographs: {sure.mean():.0%} get an answer,", end="")
print(f" {np.mean(averages[sure].argmax(axis=1) == y_known[sure]):.0%} of these right")
for name, answer in forced.items():
    label = answer.label if answer.confidence >= threshold else "not sure"
    print(f"{name}: {label} ({answer.confidence:.0%})")

# %% [markdown]
# The promise holds for the wide photographs, too, where each thing is one of the ten classes. But the price is high. Most of them get no answer, partly because their looks disagree. That is the trade, and you set it by the threshold.
#
# Nearly all strangers are kept out. And Chelsea stays a cat, since she is far above the threshold. But one stranger walks straight in: the flower is a bird, and the network is quite sure. Look at it with the eyes of something that knows only ten things. A round, bright, feathery thing in front of dark green leaves: perhaps you would say the same.
#
# That is the limit of the method [2]. **Low confidence often gives a stranger away, but high confidence doesn't rule one out.** Confidence measures doubt between known classes, and the flower raises none. The field is called *out-of-distribution detection*, and it has no perfect answer. If strangers matter to you, show the network many of them in training, as a class of their own. That helps against strangers like those.
#
# ## 5 Classes of your own
#
# You don't care about frogs and trucks? Then teach the network something else. We want it to tell fishes, houses and mugs apart, and we have thirty pictures of each. To avoid a download, we draw ours: a shape of random colours, tilted and stretched, in front of a piece of a photograph. You have pictures of your own? Then make two folders, each with one folder of pictures for each class: one to learn from and one to judge by. In the cell after the folded one, write `folder = Path("…")` and `exam = Path("…")` instead of the drawing. (The folded cell draws. It also holds `teach`, which trains a network by the optimiser Adam, with a rate that falls to zero, and returns its accuracy on both folders.)


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


def teach(network, rate, epochs=TUNING_EPOCHS, batch=15):
    """Train by Adam, the rate falling to zero; accuracies: learned from, exam."""
    steps = epochs * -(-len(mine) // batch)
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(mine, mine_labels, batch_size=batch, epochs=epochs, verbose=0)
    both = (mine, mine_labels), (exam_images, exam_labels)
    return [network.evaluate(*part, verbose=0, batch_size=300)[1] for part in both]


# %% [markdown]
# The things to learn from stand in front of coffee, rocket and motorcycle. Those of the exam stand in front of the astronaut, the temple and the flower. So remembering the scenery won't help.

# %% tags=["setup"]
scenes = [photographs / f for f in ("coffee.png", "rocket.jpg", "motorcycle_left.png")]
others = [photographs / "astronaut.png", more / "china.jpg", more / "flower.jpg"]
folder = draw_folder(PICTURES, scenes, np.random.default_rng(SEED))
exam = draw_folder(EXAM, others, np.random.default_rng(SEED + 1))


def load_folder(folder):
    """The middle squares of a folder's pictures, their labels, and the classes."""
    names = sorted(part.name for part in folder.iterdir() if part.is_dir())
    files = [file for name in names for file in sorted((folder / name).iterdir())]
    images = np.array([photo_views(read_photo(file))[1] for file in files])
    return images, np.array([names.index(file.parent.name) for file in files]), names


mine, mine_labels, names = load_folder(folder)
exam_images, exam_labels, _ = load_folder(exam)
print(len(mine), "pictures to learn from,", len(exam_images), "to judge by:", *names)

# %% alt="Rows of small pictures: fishes, houses and mugs of random colours; in each row, five before pieces of one set of photographs, then five before pieces of another." jupyter={"source_hidden": true} tags=["hide-input", "diagram"]
few = min(5, PICTURES, EXAM)
both = (mine, mine_labels), (exam_images, exam_labels)
some = [part[labels == k][:few] for k in range(len(names)) for part, labels in both]
titles = ["learn"] * few + ["exam"] * few + [""] * (2 * few * (len(names) - 1))
ax = plot_images(
    np.concatenate(some), titles, columns=2 * few, data_name="drawn pictures"
)

# %% [markdown]
# We can get a network for these pictures in three ways. All three have the layers of our trained network, except that the last one is new, with one output per class. All three see the pictures flipped, shifted and turned a little, as in [notebook 03](03_data_augmentation.ipynb).
#
# * **From scratch**: forget CIFAR-10 and start from random weights.
# * **Frozen**: keep all weights that CIFAR-10 has taught, and train the last layer only. This is **transfer learning** [1] in its cheapest form: the network's last feature maps are used as they are.
# * **Fine-tuned**: start from these weights, but let all of them move.
#
# **Before you run the cells:** rank the three by their accuracy on new pictures, and guess how many the best one will get right. Blind guessing gets a third.


# %% tags=["setup"]
def my_network(way):
    """A network for our own classes, in one of the three ways."""
    if way == "from scratch":
        source = build_model("fast_cnn_large", **about.options)
    else:
        source = load_trained("fast_cnn_large")
    body = keras.Model(source.input, source.get_layer("max_pool").output, name="body")
    body.trainable = way != "frozen"
    pixels = keras.Input((32, 32, 3))
    varied = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1),
            layers.RandomRotation(0.05),
        ]
    )(pixels)
    logits = layers.Dense(len(names), name="own_classes")(body(varied))
    return keras.Model(pixels, logits)


# %% tags=["setup"]
# For each way the rate that suited it (see "How far to trust this").
rates = {"from scratch": 1e-3, "frozen": 1e-1, "fine-tuned": 1e-3}
results = {way: [] for way in rates}
for seed in SEEDS:
    for way, rate in rates.items():
        keras.utils.set_random_seed(seed)
        my_model = my_network(way)
        results[way].append(teach(my_model, rate))
for way, scores in results.items():
    known, judged = np.mean(scores, axis=0)
    print(f"{way}: {known:.0%} of the pictures it learned from, ", end="")
    print(f"{judged:.0%} in the exam")

# %% alt="For each of the three ways, hollow dots for the pictures learned from and full dots for the exam, one a seed: from scratch is near perfect on its own and near guessing in the exam; fine-tuned is far ahead." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
for row, scores in enumerate(results.values()):
    known, judged = np.transpose(scores)
    at = row + np.linspace(-0.15, 0.15, len(known))
    ax.plot(judged, at, "o", color=BLUE, clip_on=False)
    ax.plot(known, at, "o", color=ORANGE, mfc="none", clip_on=False)
ax.text(0.4, -0.75, "● exam", color=BLUE)
ax.text(0.55, -0.75, "○ pictures learned from", color=ORANGE)
ax.vlines(1 / len(names), -0.4, 2.6, color=GREY, ls="--", lw=1)
ax.text(1 / len(names), 2.4, "guessing ", ha="right", color="0.4")
ax.set(yticks=range(3), yticklabels=results, xlim=(0, 1), ylim=(2.6, -0.9))
ax.set_xlabel("accuracy, a dot for each seed")
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.spines[["top", "right", "left"]].set_visible(False)
label_source(ax, f"drawn; {data.name}")

# %% [markdown]
# From scratch, the network gets nearly all of its training pictures right, and does little better than blind guessing in the exam. It has learned the ninety pictures by heart.
#
# The frozen one does better in the exam. But it stops far short of the third, and longer training hardly helps (see "How far to trust this"). Its last feature maps hold what tells cats from dogs. Nobody ever asked it for handles and chimneys, so most likely they are lost by then. Exercise 2 looks for them in earlier layers.
#
# The fine-tuned one has the best of both. It begins with weights that are good for edges, corners and blobs, and they may still move towards handles. It too learns the ninety pictures by heart, but by features that work on new pictures as well. This is why hardly anybody trains from random weights when pictures are few.
#
# `my_model` is now the last one that was trained, a fine-tuned one. `classify_photo` takes it like any Keras network. (Nobody has fitted a temperature for it, so don't trust its percentage as you trust Chelsea's.)

# %% alt="A drawn mug, told by the fine-tuned network, with bars for mug, fish and house." tags=["diagram"]
picture = sorted((exam / names[-1]).iterdir())[1]
answer = classify_photo(picture, my_model, class_names=names)
print(answer)
ax = answer.plot()

# %% [markdown]
# ## 6 Leaving Keras
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
# That file opens wherever Keras is installed. A phone, a web page or a small server has no Keras. For them there are formats that hold the weights and the arithmetic, and nothing else. **LiteRT** (once TensorFlow Lite) is made for phones and small devices. **ONNX** is understood nearly everywhere, from a browser to C++. Keras writes both.

# %%
with warnings.catch_warnings(), quiet_stderr(), redirect_stdout(StringIO()):
    warnings.simplefilter("ignore")  # of the converters, about their own future
    for kind, name in {"litert": "model.tflite", "onnx": "model.onnx"}.items():
        model.export(str(files / name), format=kind, verbose=False)
for file in sorted(files.iterdir()):
    print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# Each has a small *interpreter* of its own, which runs the file. The folded cell makes plain functions of them: images in, logits out. (It also holds the tool for section 7.)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def open_litert(path):
    with quiet_stderr():  # it prints its version
        reader = Interpreter(str(path), num_threads=os.cpu_count())
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
    session = onnxruntime.InferenceSession(path)  # on all processors, as above
    (entry,) = session.get_inputs()
    return lambda images: session.run(None, {entry.name: images})[0]


class Samples(CalibrationDataReader):
    """Training images in batches, as the quantizer wants them."""

    def __init__(self, count=500, batch=50):
        chosen = data.x_train[:count].astype("float32")
        batches = np.array_split(chosen, max(1, len(chosen) // batch))
        self.left = iter([{"pixels": images} for images in batches])

    def get_next(self):
        return next(self.left, None)


def to_eight_bits(source, path, leave=()):
    """Quantize the convolutions and the last layer, but for those that are left out."""
    kinds = ["Conv", "Gemm", "MatMul"]
    options = {"per_channel": True, "op_types_to_quantize": kinds}
    quantize_static(source, path, Samples(), nodes_to_exclude=list(leave), **options)
    return open_onnx(path)


# %%
formats = {
    "LiteRT": open_litert(files / "model.tflite"),
    "ONNX Runtime": open_onnx(files / "model.onnx"),
}
many, y_many = data.x_val[:1_000].astype("float32"), data.y_val[:1_000]
expected = model.predict(many, batch_size=250, verbose=0)
for name, run in formats.items():
    found = run(many)
    same = np.sum(found.argmax(axis=1) == expected.argmax(axis=1))
    print(f"{name}: the same class as Keras for {same:,} of {len(many):,} images")
    print(f"  and logits that differ by {np.abs(found - expected).max():.0e} at most")

# %% [markdown]
# The logits are not equal to the last bit. Each tool merges layers and adds its floating-point numbers in an order of its own. But the classes are the same. (On a GPU, which may round more coarsely, look for differences that are larger but still tiny.) And how fast is each, with one image at a time, and with a hundred?

# %%
rivals = {"Keras": model.predict_on_batch, **formats}
seconds = {(name, batch): [] for batch in (1, 100) for name in rivals}
for turn in range(TURNS + 1):  # in turns, so that a busy moment hits all of them
    for (name, batch), times in seconds.items():
        begin = time.perf_counter()
        rivals[name](many[:batch])
        if turn:  # the first one prepares things
            times.append(time.perf_counter() - begin)
for (name, batch), times in seconds.items():
    print(f"{name}, {batch} at once: {1e3 * np.median(times) / batch:.1f} ms an image")

# %% [markdown]
# For a single image, Keras spends much of its time on things around the arithmetic. The interpreters have less overhead per call. With a hundred images the arithmetic decides, and which one is fastest depends on the machine. (If you have a GPU, Keras uses it; the two interpreters, as installed here, do not.) So export if you serve single requests. If you work through a folder, stay where you are.
#
# ## 7 One number too large
#
# Each weight takes 32 bits. Could eight do? Each output channel of a layer has its own small kernel. Take its largest absolute weight, and divide the range from 0 up to it into 127 equal steps. Then store for each weight $w$ the nearest step $q$, a whole number from −127 to 127. This is **quantization** [3]. In one line, with a step $s$ for each channel:
#
# $$ w \;\approx\; s \cdot q, \qquad s = \frac{\max |w|}{127}, \qquad q = \text{round}(w / s) $$
#
# If the largest weight is 0.5, a step is 0.004, and no weight moves by more than half a step. Surely that does no harm?
#
# The *values* between the layers get eight bits, too, so that the processor can multiply small whole numbers. The tool must know how large they become, so it looks at a few training images. That is called **calibration**, and has nothing to do with that of notebook 07. **Before you run the cell:** how many points of accuracy will eight bits cost?

# %%
ready = files / "ready.onnx"
quant_pre_process(files / "model.onnx", ready, skip_symbolic_shape=True)
runs = {"model": formats["ONNX Runtime"]}
runs["eight_bits"] = to_eight_bits(ready, files / "eight_bits.onnx")


def compare(images, labels):
    """Print the size of each file, and its accuracy."""
    for name, run in runs.items():
        found = np.concatenate([run(x) for x in np.array_split(images, 10)])
        size = (files / f"{name}.onnx").stat().st_size / 1e6
        score = np.mean(found.argmax(axis=1) == labels)
        print(f"{name}: {size:.1f} MB, {score:.1%} of {len(images):,} images")


compare(many, y_many)

# %% [markdown]
# A quarter of the size, and several points are gone! Usually eight bits cost next to nothing [3]. Something is wrong with *this* network. Let us question the layers one by one: round the weights of one layer, leave all others as they are, and count. **Before you run the cell:** the first layer, the last one, or the largest one. Which one do you suspect?


# %%
def rounded(weights):
    """Weights to 127 steps up and down, with a step for each output channel."""
    step = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)), keepdims=True) / 127
    return np.round(weights / step) * step


def accuracy(network, inputs=many):
    found = network.predict(inputs, batch_size=250, verbose=0)
    return np.mean(found.argmax(axis=1) == y_many)


guilty, moved = {}, {}
for layer in model.layers:
    if isinstance(layer, layers.Conv2D | layers.Dense):
        weights = layer.get_weights()
        layer.set_weights([rounded(weights[0]), *weights[1:]])
        guilty[layer.name] = accuracy(model)
        error = np.abs(layer.get_weights()[0] - weights[0]).max()
        moved[layer.name] = error / np.abs(weights[0]).max()
        layer.set_weights(weights)

# %% alt="A dot for each layer: the accuracy when that layer's weights are rounded. All lie at the dashed line of the network as it is, but for the second convolution." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
whole = accuracy(model)
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
# Only the second layer suffers. (Mind the axis: it doesn't begin at zero, and one image is a tenth of a point.) Were its weights rounded more coarsely than those of others? Look. And look at what they are multiplied *by*: the 24 channels that come out of the first layer. That is the whitening layer of notebook 05, which splits each patch of 2 × 2 pixels into 24 patterns and adds a **bias** to each, the same number everywhere.

# %%
layer = model.get_layer("stage1_1_conv")
before = keras.Model(model.input, layer.input)
after = keras.Model(layer.input, model.output)
values = before.predict(many, batch_size=250, verbose=0)
channels = np.abs(values).mean(axis=(0, 1, 2))
second, loudest = channels.argsort()[-2:]
bias = model.get_layer("whitening_conv").get_weights()[1][loudest]
print("layer by layer, the largest move, in shares of the largest weight:")
print(*(f"{share:.1%}" for share in moved.values()))
print(f"a usual channel: {np.median(channels):.1f} on average")
size, spread = channels[loudest], values[..., loudest].std()
print(f"channel {loudest}: {size:.0f} on average, bias {bias:.0f}, spread {spread:.0f}")

# %% alt="Bars for 24 channels: most are hardly to be seen, half a dozen are tall, and one towers over all." jupyter={"source_hidden": true} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.5, 2.4), layout="constrained")
colours = [ORANGE if k == loudest else BLUE for k in range(len(channels))]
ax.bar(range(len(channels)), channels, color=colours)
ax.set(xlabel="output channel of the whitening layer", ylabel="mean absolute value")
ax.text(loudest + 0.5, channels[loudest], " the loudest", color=ORANGE, va="top")
ax.spines[["top", "right"]].set_visible(False)
label_source(ax, data.name)

# %% [markdown]
# The rounding of this layer is not unusually coarse. But half a dozen channels are loud, and one is louder than all the others. Its bias has grown far beyond the usual in training. What pushed it we don't know, but nothing held it back: the batch normalisation behind the next layer subtracts any constant, so the loss hardly sees how large it is. Now this channel says nearly the same large number everywhere.
#
# Now do a sum. A weight of 0.100 is rounded to 0.102. Times 1, that is an error of 0.002, and nobody minds. Times 70, it is 7.14 instead of 7.00. Is the loudest channel the culprit? Round the layer once more, but spare the weights that read this channel. To be fair, spare the second loudest in another try.

# %%
(weights,) = layer.get_weights()


def all_but(channel):
    spared = rounded(weights)
    spared[:, :, channel] = weights[:, :, channel]
    return spared


tries = {"none": weights, "all": rounded(weights)}
tries |= {f"all but channel {k}": all_but(k) for k in (second, loudest)}
for name, chosen in tries.items():
    layer.set_weights([chosen])
    print(f"{name} rounded: {accuracy(model):.1%}")
layer.set_weights([weights])

# %% [markdown]
# Yes: spare this one channel of 24, and nearly everything comes back. But why does it hurt? The loud channel is nearly constant, so its errors are, too: each output channel is shifted by an amount of its own, nearly the same everywhere in every image. And behind it stands batch normalisation, which subtracts any constant. We have just said so!
#
# In training it does. There it subtracts the mean of the batch at hand. But a trained network subtracts a mean that it **stored** in training, when no weight was rounded. Rounding has changed what the loud channel adds, and the stored mean doesn't know: it takes away 7.00, and 0.14 stays. If that is the whole story, we can leave *all* weights rounded and mend the stored means instead. **Before you run the cell:** will that do?

# %%
output = keras.Model(model.input, layer.output)
normalise = model.get_layer("stage1_1_bn")
beta, stored, variance = normalise.get_weights()
sample = data.x_train[:500].astype("float32")
exact = output.predict(sample, verbose=0).mean(axis=(0, 1, 2))
layer.set_weights([rounded(weights)])
shift = output.predict(sample, verbose=0).mean(axis=(0, 1, 2)) - exact
normalise.set_weights([beta, stored + shift, variance])
largest = np.max(np.abs(shift) / np.sqrt(variance))
print(f"an output is shifted by up to {largest:.1f} of its own standard deviation")
print(f"all rounded, the means mended: {accuracy(model):.1%}")
layer.set_weights([weights])
normalise.set_weights([beta, stored, variance])

# %% [markdown]
# It will. For the weights, the case is solved. (This cure is in use, under the name of *bias correction* [6].) And the values between the layers, which get eight bits as well? There the loud channel does harm in a second way. All 24 channels share one step, which must reach up to the loudest. Leave all weights alone, and round these values only:

# %%
step = np.abs(values).max() / 127
print(f"a step is {step:.1f}, and a usual channel {np.median(channels):.1f} on average")
coarse = np.round(values / step) * step
print(
    f"as it is: {accuracy(after, values):.1%}, rounded: {accuracy(after, coarse):.1%}"
)

# %% [markdown]
# A usual channel is left with about two steps, and a quiet one with none. So the runaway bias spoils the eight bits twice: through the weights that read it, and through the step that it forces on its quiet neighbours. These are the largest items of the bill. We did not trace the small rest.
#
# Language models have such *outlier channels*, too, and there the cure is to keep the outliers out of the eight bits [4]. The simplest form of it: **leave the layers that touch the outlier in 32 bits.** Those are the first layer, whose output is loud, and the second one, whose input it is. Both are small. (Better still: train so that the bias stays small.)
#
# We have chosen and measured on validation images so far. The test set has the last word, and this notebook opens it now.

# %%
x_test, y_test = load_cifar10_test(limit=TEST_LIMIT)
nodes = onnx.load(ready).graph.node
layer_names = [node.name for node in nodes if node.op_type == "Conv"]
print("left in 32 bits:", *layer_names[:2])
runs["mended"] = to_eight_bits(ready, files / "mended.onnx", leave=layer_names[:2])
compare(x_test.astype("float32"), y_test)

# %% [markdown]
# The accuracy is back, at a quarter of the size. Eight bits for nearly all of the network are nearly free, once you have found the number that is too large.
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
# <details><summary>Answer</summary>You can't tell from these numbers. They are on pictures that were learned from, and the network from scratch had nearly all of them right, too. Only pictures that nobody learned from can answer.</details>
#
# **3.** After the export, the network names the same class for all test images, but the probabilities differ in the sixth decimal. Is the export broken?
#
# <details><summary>Answer</summary>No. Sums of floating-point numbers depend on the order in which they are added, and each
# tool has its own. Differences of that size are normal, and those of whole percents are not.</details>
#
# ## How far to trust this
#
# > * **The photographs** are eight strangers and one cat. They are examples, not a measurement. The threshold was chosen without them; but the five looks were chosen with these photographs in sight, and may flatter them. The wide "photographs" are made, not taken.
# > * **The threshold's promise** was chosen and measured on the same validation images, so expect a little less on others. Photographs of your own may keep it or not.
# > * **The drawn pictures** are simpler than yours. How much fine-tuning gains depends on how far your classes are from those of CIFAR-10. Learning rates were tried on other pictures, drawn in the same way before the same scenes; only that of the frozen network was tried on the exam itself, which flatters it. With three seeds, single results differ by several points.
# > * **The frozen network** was also trained five times as long, and gained a point or two. A logistic regression on the same features gets all ninety pictures right, and does no better in the exam. With features of an earlier stage it gains some points there. That speaks for our explanation, but does not prove it.
# > * **Eight bits** were studied on one network, from one training, by simulation and by one tool. Another network has other loud channels, or none. On older processors the tool's sums can overflow, and cost accuracy of their own.
# > * **The milliseconds** are those of one machine and one run. Expect another order elsewhere.
#
# ## Three takeaways
#
# 1. **An accuracy belongs to its images.** Make your photograph look like the training images: upright, shrunk by averaging, the thing large. Take several crops.
# 2. **When pictures are few, fine-tune.** Training from scratch learns them by heart; frozen features are made for other classes.
# 3. **After each move, compare.** A saved, exported or quantized network is a new one until you have shown that it gives the same answers. If it doesn't, change one thing at a time until you know why.
#
# This is the end of the series. You began with a data set and the question of what is wrong with it, and you leave with networks that you have trained, judged, broken, mended and sent out into the world. Go and show them your cat.

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
# **Exercise 2 ★★** Frozen features did badly. Is it only the *last* feature maps that don't suit our classes? What about earlier ones? Write `thaw(body, first)`: freeze all layers of the network `body` before the layer named
# `first`, let that layer and all after it learn, and return how many layers can learn now. Then try it: `network = my_network("fine-tuned")`, `thaw(network.get_layer("body"), "stage3_1_conv")`, `teach(network, 1e-3)`. How much of the gain is left if only the last stage may learn?


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
# **Why?** The fine-tuned network learns the ninety pictures by heart, just like the one from scratch. Why is learning by heart harmless for one, and fatal for the other?
#
# <details><summary>Answer</summary>There are very many networks that get ninety pictures right. Which of them training finds depends on where it starts. From random weights the nearest one may remember a spot of
# scenery in each picture. From trained weights the nearest one uses features that are there already: edges, corners, round things. A small change of the last layers tells mugs from fishes by
# them, and such a rule holds for new pictures, too. Perfect training accuracy says only that training has ended. It does not say how.</details>
#
# **Exercise 3 ★★★** An open challenge, for an evening: the same ninety pictures, and nothing else to learn from, but a better network. Write `my_best()`: it trains a network on `mine` and `mine_labels` and returns it; the network turns pixels into logits. It may take a few minutes. Neither train on the exam nor choose by it: set some of `mine` aside, or draw more pictures to choose by. **To beat:** the mean of our fine-tuned networks, `TO_BEAT` in the settings. Single seeds scatter by several points, so try to win with three.


# %% tags=["answer-3"]
def my_best():
    return None  # your answer: a network


# %% tags=["check-3"]
def judged():
    network = my_best()
    if network is None:
        return None
    return np.mean(
        network.predict(exam_images, verbose=0).argmax(axis=1) == exam_labels
    )


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
# 6. M. Nagel et al., [Data-Free Quantization Through Weight Equalization and Bias Correction](https://arxiv.org/abs/1906.04721), 2019.
#
# **Previous:** [08 · Broken on purpose](08_broken_on_purpose.ipynb) · **Start again:** [01 · Explore the dataset](01_explore_the_dataset.ipynb)
