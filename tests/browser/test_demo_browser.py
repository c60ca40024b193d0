"""A photograph dropped on the page is told, with reasons."""

import io
import socket
from pathlib import Path

import numpy as np
import pytest
from conftest import SCREENSHOTS
from PIL import Image

from cifar_utils.data import find_cifar10, load_cifar10_test

pytest.importorskip("gradio", reason="Gradio is not installed")
photographs = Path(pytest.importorskip("skimage.data").__file__).parent


@pytest.fixture(scope="module")
def address():
    from cifar_utils.experiments.demo import build_demo, show

    page = build_demo(images=1_000)
    yield show(page, wait=False)
    page.close()


@pytest.fixture
def drop(page, address):
    """Open the page; the function drops a file on it and returns what it says then."""
    page.goto(address)
    page.wait_for_selector("#photo input[type=file]", state="attached")

    def drop(file):
        page.set_input_files("#photo input[type=file]", file)
        page.wait_for_selector("#answer h2", timeout=60_000)
        page.wait_for_function("document.querySelectorAll('#like img').length == 5")
        page.wait_for_load_state("networkidle")
        return page.inner_text("#answer h2")

    return drop


def test_a_cat_is_told_with_what_was_seen_where_and_what_is_like_it(drop, page):
    assert drop(photographs / "chelsea.png") == "Cat"
    assert "cat" in page.inner_text("#classes")
    for row in ("#seen", "#where", "#like"):
        assert page.locator(f"{row} img").count() == 5
        width = page.locator(f"{row} img").first.evaluate("picture => picture.naturalWidth")
        assert width == 256
    page.screenshot(path=SCREENSHOTS / "demo-wide.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(500)
    page.screenshot(path=SCREENSHOTS / "demo-narrow.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_stranger_is_not_told(drop):
    assert drop(photographs / "rocket.jpg") == "Not sure"


def test_a_file_that_is_no_photograph_is_refused_by_name_and_the_next_one_told(
    drop, page, tmp_path
):
    assert drop(photographs / "chelsea.png") == "Cat"
    (tmp_path / "x.jpg").write_text("This is no picture.")
    page.set_input_files("#photo input[type=file]", tmp_path / "x.jpg")
    page.wait_for_selector("text=Expected x.jpg as a photograph", timeout=30_000)
    assert not page.locator("#like img").count(), "the answer of before is still there"
    assert drop(photographs / "rocket.jpg") == "Not sure"


def test_an_example_is_told_and_a_bad_file_after_it_refused(drop, page, tmp_path):
    page.click("button:has(img[src*='chelsea'])")
    page.wait_for_selector("#answer h2:has-text('Cat')", timeout=60_000)
    (tmp_path / "x.jpg").write_text("This is no picture.")
    page.set_input_files("#photo input[type=file]", tmp_path / "x.jpg")
    page.wait_for_selector("text=Expected x.jpg as a photograph", timeout=30_000)


def test_a_test_image_can_be_drawn_and_is_shown_as_it_is(drop, page):
    page.click("#draw")
    page.wait_for_selector("#answer h2", timeout=60_000)
    file = page.request.get(page.locator("#photo img").get_attribute("src")).body()
    pixels = np.asarray(Image.open(io.BytesIO(file)))[::8, ::8]
    images, _ = load_cifar10_test("auto" if find_cifar10() else "synthetic")
    assert (images == pixels).all(axis=(1, 2, 3)).any()


def test_a_port_that_is_taken_is_refused():
    import gradio as gr

    from cifar_utils.experiments.demo import show

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with gr.Blocks(analytics_enabled=False) as page:
            pass
        with pytest.raises(ValueError, match=rf"Expected a free port\. Received: {port}"):
            show(page, port, wait=False)
