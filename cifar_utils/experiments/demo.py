"""A page in the browser: drop a photograph, see what a network makes of it, and why."""

import functools
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cifar_utils.checks import check_count, check_number, expected
from cifar_utils.data import CLASS_NAMES, ImageData, find_cifar10, load_cifar10, load_cifar10_test
from cifar_utils.explain import grad_cam, image_features
from cifar_utils.photo import NOT_SURE, PhotoAnswer, classify_photo
from cifar_utils.plotting import overlay_heat
from cifar_utils.pretrained import load_trained

if TYPE_CHECKING:
    import gradio
    import keras

IMAGES = 5_000  # training images that a photograph is compared with
SIDE = 256  # pixels of a small image as shown
NAMES = ("all of it", "the middle", "one end", "other end", "closer")  # of the views
STYLE = """
.gradio-container {max-width: 1100px !important; margin: auto !important}
#answer h2 {margin: 0.2em 0}
.five .grid-wrap {height: auto !important; max-height: none !important; min-height: 0 !important}
.five .grid-container {grid-template-columns: repeat(5, minmax(0, 1fr)) !important;
  grid-template-rows: auto !important; height: auto !important}
.five .thumbnail-item {aspect-ratio: 1 !important; height: auto !important; width: 100% !important}
#where .caption-label {display: none}  /* it would cover evidence; the row above has the names */
@media (max-width: 640px) {
  .five .grid-wrap {padding: 4px}
  .five .grid-container {gap: 4px}
  .five .caption-label {font-size: 9px !important; line-height: 1.1; padding: 2px 0;
    inset: auto 0 0; max-width: none; white-space: normal; text-align: center; border-radius: 0}
}
"""


class Guide:
    """What the page tells of a photograph; it knows a network and some training images.

    Parameters
    ----------
    network : str
        One of ``pretrained.TRAINED``.
    images : int
        Training images to compare with, at most.
    """

    def __init__(self, network: str = "fast_cnn_large", images: int = IMAGES):
        self.real = find_cifar10() is not None
        source = "auto" if self.real else "synthetic"  # nothing is downloaded by a page
        self.network, self.model = network, load_trained(network)
        self.data: ImageData = load_cifar10(source, val_size=0, limit=check_count("images", images))
        self.test = load_cifar10_test(source)
        worker = ThreadPoolExecutor(1)
        self.features: Future = worker.submit(_directions, self.model, self.data.x_train)
        worker.shutdown(wait=False)

    def tell(self, file) -> tuple[str, dict, list, list, list]:
        """The answer in words, its classes, what the network saw, its evidence, and neighbours.

        Pictures come with captions. Raises ValueError as ``photo.classify_photo``.
        """
        answer = classify_photo(file, self.network)
        first = CLASS_NAMES.index(answer.best[0][0])
        heat = grad_cam(self.model, answer.views, first, average=False)
        glowing = overlay_heat(answer.views, heat)
        seen, where = (
            [(enlarged(view), name) for view, name in zip(views, NAMES, strict=True)]
            for views in (answer.views, glowing)
        )
        like = [
            (enlarged(self.data.x_train[i]), CLASS_NAMES[self.data.y_train[i]])
            for i in self.neighbours(answer.views)
        ]
        return in_words(answer), dict(answer.best), seen, where, like

    def neighbours(self, views: np.ndarray, count: int = 5) -> np.ndarray:
        """Which training images the network finds most alike; the nearest first."""
        towards = _directions(self.model, views).mean(axis=0)
        return np.argsort(-self.features.result() @ towards)[:count]

    def draw(self) -> np.ndarray:
        """Any image of the test set, enlarged."""
        images, _ = self.test
        return np.asarray(enlarged(images[np.random.default_rng().integers(len(images))]))


def _directions(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """What a network has found in images, without how much of it."""
    found = image_features(model, images)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def enlarged(image: np.ndarray) -> Image.Image:
    """A small image, large enough to see its pixels."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = (255 * image).round().astype("uint8")
    return Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def in_words(answer: PhotoAnswer) -> str:
    """An answer as a headline and a sentence."""
    name, share = answer.best[0]
    if answer.label == NOT_SURE:
        return (
            f"## Not sure\nOf the ten things that it knows, this looks most like: {name}, "
            f"{share:.0%}. That is not enough to say so."
        )
    return f"## {name.capitalize()}\nThe network is {share:.0%} sure."


def build_demo(network: str = "fast_cnn_large", images: int = IMAGES) -> "gradio.Blocks":
    """The page, not yet shown.

    Parameters
    ----------
    network : str
        One of ``pretrained.TRAINED``.
    images : int
        Training images to compare with, at most.

    Raises
    ------
    ValueError
        If Gradio is not installed, or there is no such network.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio as gr
    except ImportError:
        hint = 'Install it by `pip install -e ".[demo]"`, or type `make demo`.'
        raise expected("the package gradio", "an environment without it", hint) from None

    guide = Guide(network, images)

    told_of = functools.lru_cache(8)(guide.tell)  # Gradio tells some changes twice

    def tell(payload):
        if payload is None:
            return "", None, None, None, None, gr.Column(visible=False)
        file = Path(payload["path"])  # in a folder named by what the file holds
        try:
            return *told_of(file), gr.Column(visible=True)
        except ValueError as error:
            told = str(error).replace(str(file), file.name)
            headline = f"## This can't be read\n{told}"
            return headline, None, None, None, None, gr.Column(visible=False)

    def five(name: str, what: str, why: str) -> gr.Gallery:
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=200):
                gr.Markdown(f"### {what}\n{why}")
            with gr.Column(scale=4, min_width=320):
                return gr.Gallery(
                    show_label=False, columns=5, rows=1, interactive=False, allow_preview=False,
                    buttons=[], elem_id=name, elem_classes="five",
                )  # fmt: skip

    with gr.Blocks(title="What does it see?", analytics_enabled=False) as page:
        gr.Markdown(
            f"# What does it see?\nDrop a photograph, or draw one from the test set. The network "
            f"`{network}` knows ten things: {', '.join(CLASS_NAMES)}. Nothing leaves this machine."
        )
        with gr.Row():
            with gr.Column():
                photo = gr.Image(
                    label="Your photograph", sources=["upload", "clipboard"], height=300,
                    format="png", elem_id="photo", buttons=[],
                )  # fmt: skip
                button = gr.Button(f"Draw a test image ({guide.data.name})", elem_id="draw")
            with gr.Column():
                headline = gr.Markdown(elem_id="answer")
                classes = gr.Label(
                    label="Its three best guesses", num_top_classes=3, show_heading=False,
                    elem_id="classes",
                )  # fmt: skip
                if examples := packaged_photographs():
                    gr.Examples([[str(path)] for path in examples], photo, label="Or try these")
        with gr.Column(visible=False) as reasons:
            seen = five(
                "seen", "What it saw", "The network takes small squares, so it looked five times."
            )
            where = five(
                "where",
                "Where the evidence is",
                "The brighter, the more speaks for its best guess.",
            )
            kind = "training images" if guide.real else "drawn pictures"
            like = five(
                "like",
                "What it resembles",
                f"The most similar of {len(guide.data.x_train):,} {kind}, in the network's eyes.",
            )
        if not guide.real:
            gr.Markdown(
                "*CIFAR-10 is not at hand, so drawn pictures stand in for its images. "
                "`make data` fetches it.*"
            )
        told = [headline, classes, seen, where, like, reasons]
        quiet = {"show_progress": "minimal", "api_visibility": "private"}
        # The file comes to us as it is: we read it with more care than Gradio.
        photo.change(tell, photo, told, preprocess=False, **quiet)
        button.click(guide.draw, None, photo, api_visibility="private")
    return page


def packaged_photographs() -> list[Path]:
    """Some photographs that come with scikit-image, if it is installed."""
    try:
        import skimage.data
    except ImportError:
        return []
    folder = Path(skimage.data.__file__).parent
    names = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png")
    return [folder / name for name in names if (folder / name).exists()]


def show(page: "gradio.Blocks", port: int | None = None, *, wait: bool = True) -> str:
    """Serve the page on this machine alone; return its address, or wait until Ctrl-C.

    Parameters
    ----------
    page : gradio.Blocks
        Of :func:`build_demo`.
    port : int, optional
        Of 127.0.0.1. Without, or for 0, it is a free one.
    wait : bool

    Raises
    ------
    ValueError
        If there is no such port, or it is taken.
    """
    port = int(check_number("port", port or 0, 0, 65_535)) or None
    import gradio as gr

    plain = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    try:
        _, address, _ = page.launch(
            server_name="127.0.0.1", server_port=port, share=False, quiet=True,
            prevent_thread_lock=True, theme=gr.themes.Soft(**plain), css=STYLE, footer_links=[],
            allowed_paths=[str(path.parent) for path in packaged_photographs()[:1]], ssr_mode=False,
        )  # fmt: skip
    except OSError as error:
        raise expected("a free port", f"{port}, which is taken" if port else error) from None
    if wait:
        print(f"The page is at {address} until you press Ctrl-C.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            page.close(verbose=False)
    return address
