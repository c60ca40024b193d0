"""Photographs of every kind are read, or refused with a clear error; strangers are 'not sure'."""

import io
import itertools
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cifar_utils import photo
from cifar_utils.data import CLASS_NAMES
from cifar_utils.photo import classify_photo, photo_views, read_photo


def scene(width=60, height=40):
    """A picture without symmetry: red to the right, green downwards, a blue corner."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([x, y, np.zeros_like(x)], axis=2).astype("uint8")
    pixels[: height // 4, : width // 4, 2] = 255
    return Image.fromarray(pixels)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_give_their_pixels(kind):
    np.testing.assert_array_equal(read_photo(saved(scene(), kind)), scene())


@pytest.mark.parametrize(
    "image, options",
    [
        (scene(), {"format": "JPEG", "quality": 98, "subsampling": 0}),
        (scene(), {"format": "WEBP", "lossless": True}),
        (scene().quantize(256), {"format": "PNG"}),
        (scene().quantize(256), {"format": "GIF"}),
        (scene().convert("CMYK"), {"format": "JPEG", "quality": 98, "subsampling": 0}),
        (scene().convert("CMYK"), {"format": "TIFF"}),
        (scene().convert("RGBA"), {"format": "PNG"}),
    ],
    ids=["jpeg", "webp", "palette", "gif", "cmyk-jpeg", "cmyk-tiff", "rgba"],
)
def test_every_mode_shows_the_same_picture(image, options):
    read = read_photo(saved(image, options.pop("format"), **options))
    assert read.shape == (40, 60, 3)
    assert np.abs(read.astype(int) - np.asarray(scene())).mean() < 6


def test_an_animation_and_a_file_of_pages_give_their_first_picture():
    pictures = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        file = saved(pictures[0], kind, save_all=True, append_images=pictures[1:])
        red, green, blue = read_photo(file).reshape(-1, 3).mean(axis=0)
        assert red > 240 and green < 15 and blue < 15, kind


def test_sixteen_bits_become_eight():
    grey = np.arange(256, dtype="uint16").reshape(16, 16) * 257
    expected = np.repeat(np.arange(256, dtype="uint8").reshape(16, 16, 1), 3, axis=2)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read_photo(saved(Image.fromarray(grey), kind)), expected)
    big_endian = Image.frombytes("I;16B", (16, 16), grey.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_photo(big_endian), expected)


def png(width, height, bits, colour, rows=b""):
    """A file of rows that Pillow does not write, or of none."""
    file = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + kind + data
        file += struct.pack(">I", zlib.crc32(kind + data))
    return io.BytesIO(file)


def test_sixteen_bits_of_each_colour_become_eight():
    pixels = np.asarray(scene())
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in pixels)
    np.testing.assert_array_equal(read_photo(png(60, 40, 16, 2, rows)), pixels)


def test_one_bit_becomes_black_and_white():
    assert set(np.unique(read_photo(saved(scene().convert("1"), "PNG")))) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_transparent_parts_become_white(mode):
    if mode in ("RGBA", "LA"):
        image, options = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode), {}
    else:
        image = Image.new(mode, (8, 8), 0)
        options = {"transparency": (0, 0, 0) if mode == "RGB" else 0}
    assert (read_photo(saved(image, "PNG", **options)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 40), (1300, 900)], ids=["small", "reduced"])
def test_photographs_are_turned_upright(orientation, size):
    exif = Image.Exif()
    exif[photo.ORIENTATION] = orientation
    file = saved(scene(*size), "JPEG", exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(file))
    read = read_photo(file)
    assert (read.shape[0] > read.shape[1]) == (upright.height > upright.width)
    small = [np.asarray(Image.fromarray(p).resize((8, 8))) for p in (read, np.asarray(upright))]
    assert np.abs(small[0].astype(int) - small[1]).max() < 40
    assert np.abs(small[0].astype(int) - small[1]).mean() < 8


def test_orientation_of_other_formats_and_nonsense_in_it():
    for kind in ("PNG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif[photo.ORIENTATION] = 6
        assert read_photo(saved(scene(), kind, exif=exif)).shape == (60, 40, 3), kind
    for nonsense in (0, 99):
        exif[photo.ORIENTATION] = nonsense
        assert read_photo(saved(scene(), "JPEG", exif=exif)).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_damages_no_photograph(kind):
    for exif in (b"nonsense", b"II*\0nonsense", b"M", b"MM\0*\0\0", b"MM\0*\0\0\0\x08\0\x05"):
        assert read_photo(saved(scene(), kind, exif=b"Exif\0\0" + exif)).shape == (40, 60, 3)


def test_the_photographs_of_phones_that_hold_two_are_read():
    exif = Image.Exif()
    exif[photo.ORIENTATION] = 8
    file = saved(scene(90, 40), "MPO", save_all=True, append_images=[scene(30, 20)], exif=exif)
    assert read_photo(file).shape == (90, 40, 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_large_photographs_are_averaged_as_pillow_averages_the_whole(width, height):
    image = scene(width, height)
    factor = max(1, min(width, height) // photo.KEPT)
    np.testing.assert_array_equal(read_photo(image), image.reduce(factor))


@pytest.mark.parametrize("width, height", [(1, 5000), (5000, 1), (1, 1)])
def test_extreme_shapes_are_read(width, height):
    assert photo_views(read_photo(scene(width, height))).shape == (5, 32, 32, 3)


READ = """
import sys, warnings
from pathlib import Path
import matplotlib.pyplot  # what it warns of is not ours
warnings.simplefilter("error")
from cifar_utils.photo import read_photo

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))

before = peak()
print(read_photo(sys.argv[1]).shape, file=sys.stderr)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read in /proc")
def test_reading_takes_four_bytes_a_pixel_at_most(tmp_path):
    Image.new("RGBA", (6_000, 5_000)).save(tmp_path / "large.png", compress_level=1)
    command = [sys.executable, "-c", READ, "large.png"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stderr == "(264, 316, 3)\n"
    assert 4 * 30 * 0.9 < float(done.stdout) < 4 * 30 * 1.25


def test_too_many_pixels_are_refused_before_they_are_decoded():
    for side in (13_000, 20_000):  # the second is too much for Pillow, too
        with pytest.raises(ValueError, match=r"at most 150 megapixels"):
            read_photo(png(side, side, 8, 0))
    with pytest.raises(ValueError, match=r"at most 150 megapixels. Received: 20000 x 8000, 160"):
        read_photo(Image.new("1", (20_000, 8_000)))


def test_what_is_no_photograph_is_refused_by_name(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "ünser text.jpg").write_text("This is no picture.")
    (tmp_path / "folder.png").mkdir()
    for name, told in {
        "empty.jpg": "an empty one",
        "ünser text.jpg": "a file of another kind",
        "missing.jpg": "no such file",
        "folder.png": "Error",
    }.items():
        with pytest.raises(ValueError, match=rf"Expected .*{name} as a photograph.*{told}"):
            read_photo(tmp_path / name)
    closed = saved(scene(), "PNG")
    closed.close()
    (tmp_path / "closed.png").write_bytes(saved(scene(), "PNG").getvalue())
    with Image.open(tmp_path / "closed.png") as lazy:
        pass
    data = bytes(10**5)  # which no message is to hold
    for nothing in (closed, lazy, 5, None, [[1]], data, "https://example.org/cat.jpg", "a\0b"):
        with pytest.raises(ValueError, match=r"Expected .* as a photograph") as told:
            read_photo(nothing)
        assert len(str(told.value)) < 300
    with pytest.raises(ValueError, match=r"Received: bytes. Bytes become a file by io.BytesIO"):
        read_photo(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_damaged_files_are_refused_or_read_but_never_crash(kind):
    whole = saved(scene(300, 200), kind).getvalue()
    rng = np.random.default_rng(0)
    refused = 0
    for cut in rng.integers(1, len(whole) - 20, 12):
        with pytest.raises(ValueError, match=r"Expected .* as a photograph"):
            read_photo(io.BytesIO(whole[:cut]))
    for _ in range(25):
        bytes_ = bytearray(whole)
        bytes_[rng.integers(len(whole))] ^= rng.integers(1, 256)
        try:
            assert read_photo(io.BytesIO(bytes(bytes_))).shape[2] == 3
        except ValueError as error:
            refused += 1
            assert str(error).startswith("Expected ")
    assert refused or kind in ("JPEG", "GIF", "TIFF")  # whose pixels have no checksum


@pytest.mark.parametrize("mode", ["F", "I", "LAB", "HSV", "La"])
def test_pixels_without_an_agreed_meaning_are_refused(mode):
    with pytest.raises(ValueError, match=f"in grey, RGB or CMYK. Received: mode {mode}"):
        read_photo(Image.new(mode, (4, 4)))


def test_what_the_user_gives_stays_as_it_is(tmp_path):
    scene(2000, 1500).save(tmp_path / "large.jpg")
    with Image.open(tmp_path / "large.jpg") as image:
        read_photo(image)
        assert image.size == (2000, 1500)
    pixels = np.asarray(scene()).copy()
    np.testing.assert_array_equal(read_photo(pixels), pixels)
    grey = read_photo(pixels[..., :1])
    np.testing.assert_array_equal(grey, np.repeat(pixels[..., :1], 3, axis=2))
    grey[:5] = 0  # the answer is the caller's to draw on
    with pytest.raises(ValueError, match="uint8"):
        read_photo(pixels / 255)
    with (tmp_path / "large.jpg").open("rb") as file:
        file.read(100)
        np.testing.assert_array_equal(read_photo(file), read_photo(file))


def test_views_are_the_whole_three_squares_and_a_closer_look():
    wide = np.zeros((40, 120, 3), "uint8")
    wide[:, :40, 0], wide[:, 40:80, 1], wide[:, 80:, 2] = 255, 255, 255
    whole, middle, left, right, near = photo_views(wide, (10, 12))
    assert whole.shape == (10, 12, 3)
    assert (whole[:, 0, 0] == 255).all() and (whole[:, -1, 2] == 255).all()
    for view, colour in ((left, 0), (middle, 1), (right, 2), (near, 1)):
        assert (view[..., colour] == 255).all() and view.sum() == 10 * 12 * 255


@pytest.mark.parametrize("size", [32, (32,), (32, 32, 3), (32, 0), (32, 1.5), None])
def test_sizes_of_views_are_two_whole_numbers(size):
    with pytest.raises(ValueError, match=r"Expected .*size"):
        photo_views(np.zeros((5, 5, 3), "uint8"), size)


def test_threads_leave_the_filters_of_warnings_as_they_were():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            time.sleep(0.002)
            return super().read(size)

    files = [Slow(saved(scene(), "PNG").getvalue()) for _ in range(12)]
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read_photo, files))
    assert warnings.filters == before


# Networks and answers


def own_network(classes=3, size=16):
    keras.utils.set_random_seed(0)
    stack = [keras.Input((size, size, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential([*stack, keras.layers.Dense(classes)])


@pytest.fixture(scope="module")
def packaged():
    """The photographs that come with scikit-image."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return Path(data.__file__).parent


def test_chelsea_is_a_cat_and_strangers_are_not_sure(packaged):
    cat = classify_photo(packaged / "chelsea.png")
    assert cat.label == "cat" and cat.confidence > 0.5
    assert str(cat).startswith("cat ")
    strangers = ("astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
    answers = [classify_photo(packaged / name) for name in strangers]
    assert sum(answer.label == "not sure" for answer in answers) >= 3
    assert str(answers[0]).startswith("not sure (")


def test_an_answer_holds_together():
    answer = classify_photo(scene(), own_network(), class_names=["ant", "bee", "$fly$"])
    names, shares = zip(*answer.best, strict=True)
    assert answer.label == names[0] and answer.confidence == shares[0] == max(shares)
    assert list(shares) == sorted(answer.probabilities, reverse=True)
    assert answer.probabilities.sum() == pytest.approx(1)
    assert answer.views.shape == (5, 16, 16, 3) and answer.photo.shape == (40, 60, 3)


def test_temperature_and_threshold_are_the_callers():
    model, names = own_network(2), ["ant", "bee"]
    sharp, flat = (
        classify_photo(scene(), model, class_names=names, temperature=t) for t in (0.001, 100)
    )
    assert sharp.confidence > 0.7 > flat.confidence > 0.5 and sharp.label == flat.label
    unsure = classify_photo(scene(), model, class_names=names, temperature=100, threshold=0.9)
    assert unsure.label == "not sure" and unsure.best == flat.best


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"model": "fast_cnn_larg"}, "Did you mean 'fast_cnn_large'"),
        ({"class_names": ["cat", "dog"]}, "Expected 10 class_names. Received: 2"),
        ({"threshold": 1.5}, "threshold as a number from 0 to 1"),
        ({"temperature": 0}, "temperature"),
        ({"model": 5}, "a network of RGB images of one size"),
    ],
)
def test_bad_arguments_are_told(arguments, told):
    with pytest.raises(ValueError, match=told):
        classify_photo(scene(), **arguments)


def test_networks_of_other_images_or_with_a_softmax_are_refused():
    anywhere = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalMaxPooling2D()])
    with pytest.raises(ValueError, match="RGB images of one size"):
        classify_photo(scene(), anywhere, class_names=["abc"])
    softmax = keras.Sequential([own_network(), keras.layers.Softmax()])
    with pytest.raises(ValueError, match="logits"):
        classify_photo(scene(), softmax, class_names=["ant", "bee", "fly"])


def test_several_threads_may_ask_at_once():
    files = [scene(50 + i, 40) for i in range(6)]
    one_by_one = [classify_photo(file, "valid_cnn").best for file in files]
    with ThreadPoolExecutor(3) as pool:
        at_once = pool.map(lambda file: classify_photo(file, "valid_cnn").best, files)
    for (one, *_), (other, *_) in zip(one_by_one, at_once, strict=True):
        assert one[0] == other[0] and one[1] == pytest.approx(other[1], abs=1e-4)


def test_answers_are_drawn_on_the_callers_axes_or_on_new_ones():
    answer = classify_photo(scene(), own_network(2), class_names=["a long name", "$b$"])
    fig, (ax, _) = plt.subplots(1, 2)
    opened = plt.get_fignums()
    assert answer.plot(ax) is ax and plt.get_fignums() == opened
    (bars,) = ax.child_axes
    assert [text.get_text().partition("  ")[0] for text in bars.texts] == [
        n for n, _ in answer.best
    ]
    assert ax.get_title() == answer.label
    fig.canvas.draw()
    assert answer.plot().figure is not fig
    plt.close("all")


@pytest.mark.parametrize("width, height", [(60, 40), (40, 60), (40, 400), (400, 40), (1, 1)])
def test_words_of_a_drawn_answer_do_not_cover_each_other(width, height):
    names = ["$_$", "a name as long as a sentence, with its details", "bee"]
    answer = classify_photo(scene(width, height), own_network(), class_names=names)
    ax = answer.plot()
    ax.figure.canvas.draw()
    words = [text for text in (ax.title, *ax.child_axes[0].texts) if text.get_text()]
    assert len(words) == 4 and all(len(word.get_text()) <= 20 + len("  100%") for word in words)
    boxes = [word.get_window_extent() for word in words]
    picture = ax.get_window_extent()
    for upper, lower in itertools.pairwise(boxes):
        assert upper.y0 >= lower.y0 + 0.8 * lower.height
    assert boxes[0].y0 >= picture.y1 and boxes[1].y1 <= picture.y0
    whole = ax.figure.bbox
    assert all(box.x0 >= 0 and box.x1 <= whole.x1 for box in boxes)
    plt.close(ax.figure)


def test_default_names_are_those_of_cifar10():
    answer = classify_photo(scene(), "valid_cnn", threshold=0)
    assert answer.label in CLASS_NAMES
