"""A drawn stand-in for CIFAR-10: same shapes, same class names, no network needed.

Silhouettes of the ten classes, in random pose, size and colour, over varied
backgrounds, with occlusion and noise. It lets every notebook run where the real
photographs are not at hand. Accuracies on it say nothing about CIFAR-10.
"""

import numpy as np
from PIL import Image, ImageDraw

from cifar_utils.checks import check_count
from cifar_utils.dataset.files import IMAGE_SHAPE

SIZE = IMAGE_SHAPE[0]
CANVAS = 2 * SIZE  # drawn at twice the size, then averaged down: smooth edges


def _ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _legs(*places: float, top: float, bottom: float, width: float = 0.07) -> list:
    return [(_box(x - width, top, x + width, bottom), 0) for x in places]


# Each class is a list of polygons, drawn in order, each with the number of its colour:
# 0 the body, 1 its darker parts, 2 its lighter ones. x runs right and y down, -1 to 1.
_PET = [(_ellipse(0.1, 0.35, 0.55, 0.32), 0), *_legs(-0.25, 0.5, top=0.5, bottom=0.95)]
SHAPES = {
    "airplane": [
        (_ellipse(0, 0, 0.95, 0.13), 0),
        (np.array([(0.15, 0), (-0.3, -0.85), (-0.5, -0.85), (-0.25, 0)]), 1),
        (np.array([(0.15, 0), (-0.3, 0.85), (-0.5, 0.85), (-0.25, 0)]), 1),
        (np.array([(-0.7, 0), (-1, -0.35), (-0.85, 0), (-1, 0.35)]), 0),
    ],
    "automobile": [
        (np.array([(-0.5, 0), (-0.3, -0.4), (0.3, -0.4), (0.55, 0)]), 2),
        (_box(-0.95, 0, 0.95, 0.38), 0),
        *((_ellipse(x, 0.4, 0.23, 0.23), 1) for x in (-0.5, 0.5)),
    ],
    "bird": [
        (np.array([(-0.4, 0.1), (-1, -0.1), (-0.95, 0.2)]), 1),
        (_ellipse(0, 0.1, 0.5, 0.3), 0),
        (_ellipse(0.5, -0.3, 0.22, 0.22), 0),
        (np.array([(0.65, -0.4), (1, -0.25), (0.65, -0.15)]), 2),
        (np.array([(-0.3, 0), (0.25, 0), (-0.3, -0.7)]), 1),
        *_legs(-0.05, 0.15, top=0.35, bottom=0.8, width=0.035),
    ],
    "cat": [
        *_PET,
        (np.array([(0.5, 0.35), (0.95, -0.5), (0.85, -0.55), (0.45, 0.1)]), 0),
        (np.array([(-0.8, -0.2), (-0.82, -0.8), (-0.45, -0.4)]), 1),
        (np.array([(-0.1, -0.2), (-0.08, -0.8), (-0.45, -0.4)]), 1),
        (_ellipse(-0.45, -0.15, 0.38, 0.32), 0),
    ],
    "deer": [
        (_ellipse(0.1, 0.15, 0.48, 0.2), 0),
        *_legs(-0.28, -0.12, 0.35, 0.5, top=0.2, bottom=0.98, width=0.04),
        (np.array([(-0.2, 0.15), (-0.35, -0.3), (-0.52, -0.3), (-0.4, 0.2)]), 0),
        (_ellipse(-0.55, -0.3, 0.22, 0.12), 0),
        (np.array([(-0.45, -0.35), (-0.75, -0.95), (-0.65, -0.95), (-0.38, -0.35)]), 1),
        (np.array([(-0.45, -0.35), (-0.1, -0.95), (0, -0.92), (-0.36, -0.35)]), 1),
        (np.array([(-0.25, -0.65), (0.15, -0.7), (0.15, -0.62), (-0.28, -0.55)]), 1),
        (np.array([(-0.6, -0.65), (-0.95, -0.7), (-0.95, -0.62), (-0.57, -0.57)]), 1),
    ],
    "dog": [
        *_PET,
        (np.array([(0.5, 0.35), (0.95, -0.2), (0.85, -0.25), (0.45, 0.1)]), 0),
        (_ellipse(-0.45, -0.2, 0.36, 0.34), 0),
        (_ellipse(-0.78, -0.08, 0.13, 0.36), 1),
        (_ellipse(-0.12, -0.08, 0.13, 0.36), 1),
        (_ellipse(-0.5, 0.05, 0.17, 0.13), 2),
    ],
    "frog": [
        *((_ellipse(x, 0.5, 0.28, 0.34), 1) for x in (-0.72, 0.72)),
        (_ellipse(0, 0.25, 0.68, 0.5), 0),
        *((_ellipse(x, -0.28, 0.22, 0.22), 2) for x in (-0.35, 0.35)),
        *((_ellipse(x, -0.28, 0.09, 0.09), 1) for x in (-0.35, 0.35)),
    ],
    "horse": [
        (_ellipse(0.1, 0.1, 0.6, 0.3), 0),
        *_legs(-0.35, -0.12, 0.4, 0.6, top=0.2, bottom=0.95, width=0.075),
        (np.array([(-0.15, 0.1), (-0.35, -0.75), (-0.7, -0.75), (-0.5, 0.15)]), 0),
        (np.array([(-0.4, -0.8), (-0.55, -0.45), (-1, -0.3), (-0.95, -0.5)]), 0),
        (np.array([(-0.35, -0.85), (-0.05, -0.1), (-0.3, -0.1)]), 1),
        (np.array([(0.6, -0.05), (0.95, 0.6), (0.75, 0.6)]), 1),
    ],
    "ship": [
        (np.array([(-0.98, 0.3), (0.98, 0.3), (0.7, 0.8), (-0.7, 0.8)]), 0),
        (_box(-0.5, -0.05, 0.4, 0.3), 2),
        (_box(-0.35, -0.6, -0.15, -0.05), 1),
        (_box(0.05, -0.8, 0.12, -0.05), 1),
    ],
    "truck": [
        (_box(-0.98, -0.65, 0.35, 0.4), 0),
        (np.array([(0.4, -0.2), (0.75, -0.2), (0.97, 0.1), (0.97, 0.4), (0.4, 0.4)]), 2),
        *((_ellipse(x, 0.48, 0.2, 0.2), 1) for x in (-0.65, -0.15, 0.68)),
    ],
}


def draw_images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw the stand-in: the same pictures for the same `count`, a multiple of ten, and `seed`.

    Returns images, uint8 of shape (count, 32, 32, 3), and labels, int64 of shape (count,):
    indices into ``CLASS_NAMES``, each of them as often, in random order.

    >>> images, labels = draw_images(20, seed=0)
    >>> images.shape, np.bincount(labels).tolist()
    ((20, 32, 32, 3), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    check_count("count", count, lowest=10, multiple=10)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(SHAPES)), count // len(SHAPES)))
    shapes = list(SHAPES.values())
    images = np.stack([_draw_one(shapes[label], rng) for label in labels])
    for part in np.array_split(images, max(1, count // 1000)):  # in place, little memory
        noise = rng.standard_normal(part.shape, dtype=np.float32)
        part[:] = np.clip(part + 14 * noise, 0, 255)
    return images, labels


def _draw_one(shape: list, rng: np.random.Generator) -> np.ndarray:
    """One silhouette over a background, without noise."""
    ground, body = rng.integers(20, 236, (2, 3))
    while abs(ground.sum() - body.sum()) <= 150:  # not apart enough to be told apart
        ground, body = rng.integers(20, 236, (2, 3))
    canvas = Image.new("RGB", (CANVAS, CANVAS), tuple(ground))
    brush = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(2, 6)):  # an uneven background in shades of one colour
        patch = rng.uniform(-0.2, 1.2, 2) * CANVAS
        reach = rng.uniform(0.1, 0.5, 2) * CANVAS
        shade = tuple(np.clip(ground + rng.integers(-35, 36, 3), 0, 255))
        box = (*(patch - reach), *(patch + reach))
        (brush.ellipse if rng.random() < 0.5 else brush.rectangle)(box, fill=shade)

    angle, scale = rng.normal(0, 0.22), rng.uniform(0.62, 0.95) * CANVAS / 2
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    stretch = np.diag([rng.choice([-1, 1]), 1]) * rng.uniform(0.8, 1.15, (2, 1))  # or mirrored
    turn = stretch @ np.array([(cosine, sine), (-sine, cosine)])
    place = CANVAS * (0.5 + rng.uniform(-0.12, 0.12, 2))
    colours = [tuple(np.clip(body + change, 0, 255)) for change in (0, -55, 55)]
    for polygon, colour in shape:
        points = polygon @ turn + place
        brush.polygon(points.ravel().tolist(), fill=colours[colour])

    if rng.random() < 0.4:  # something stands in front
        left, top = rng.uniform(0, 0.85, 2) * CANVAS
        wide, high = rng.uniform(0.08, 0.25, 2) * CANVAS
        brush.rectangle((left, top, left + wide, top + high), fill=tuple(rng.integers(0, 256, 3)))
    return np.asarray(canvas.reduce(CANVAS // SIZE))
