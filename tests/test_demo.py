"""What the page of the demo tells; tests/browser/ looks at the page itself."""

import sys

import numpy as np
import pytest
from PIL import Image

from cifar_utils.experiments.demo import Guide, build_demo, in_words, show
from cifar_utils.photo import classify_photo


@pytest.fixture(scope="module")
def guide():
    return Guide("valid_cnn", images=60)


def test_a_training_image_reminds_of_itself_first(guide):
    for i in (0, 17, 59):
        views = np.repeat(guide.data.x_train[i : i + 1], 5, axis=0)
        first, *others = guide.neighbours(views)
        assert first == i and len({first, *others}) == 5


def test_a_photograph_is_told_with_all_its_pictures(guide):
    words, classes, seen, where, like = guide.tell(Image.new("RGB", (300, 200), "skyblue"))
    assert words.startswith("## ") and len(classes) == 3 and 0 < sum(classes.values()) <= 1
    for row in (seen, where, like):
        assert len(row) == 5
        assert all(picture.size == (256, 256) and caption for picture, caption in row)


def test_a_drawn_test_image_is_seen_pixel_by_pixel(guide):
    drawn = guide.draw()
    views = classify_photo(drawn, "valid_cnn").views
    images, _ = guide.test
    assert (views[0] == images).all(axis=(1, 2, 3)).any()


def test_doubt_is_told_in_words():
    blue = Image.new("RGB", (60, 40), "skyblue")
    assert in_words(classify_photo(blue, "valid_cnn", threshold=1)).startswith("## Not sure\n")
    assert " sure." in in_words(classify_photo(blue, "valid_cnn", threshold=0))


def test_without_gradio_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"Expected the package gradio.*\[demo\]"):
        build_demo()


def test_a_port_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="Expected port as a number from 0 to 65535"):
        show(None, port=70_000)
