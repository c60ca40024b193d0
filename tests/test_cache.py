"""Where CIFAR-10 is looked for; a cache that is damaged, shared, full, or left by the dead."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK
from damage import damage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import REFUSED, dropping, flipped, good, pack, serving, slowly

from cifar_utils import data
from cifar_utils.__main__ import main
from cifar_utils.data import (
    DatasetError,
    find_cifar10,
    load_cifar10,
    load_cifar10_test,
    load_cifar10h,
)
from cifar_utils.dataset import cache, fetch, files

ARCHIVE = f"fetched-{files.ARCHIVE.name}"
LABELS = f"fetched-{files.CIFAR10H.name}"
CACHED = ["cifar10-test.bin", "cifar10-train.bin"]
KERAS_CACHES = [
    "datasets/cifar-10-batches-py-target/cifar-10-batches-py",
    "datasets/cifar-10-batches-py",
]


@pytest.fixture
def filled(archive):
    """A filled cache, and the URL that fills it again."""
    with serving(good=good(archive)) as url:
        load_cifar10(val_size=0, mirrors=[url("good")])
        yield cache.own_cache(), url("good")


def contents(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def assert_loads(made, *mirrors):
    """The public functions give the right images, and the cache is as it should be."""
    loaded = load_cifar10(val_size=0, mirrors=mirrors or None)
    np.testing.assert_array_equal(loaded.x_train, made.x)
    np.testing.assert_array_equal(loaded.y_train, made.y)
    assert loaded.name == "cifar10"
    assert loaded.fingerprint == files.FINGERPRINTS["train"]
    x_test, y_test = load_cifar10_test(mirrors=mirrors or None)
    np.testing.assert_array_equal(x_test, made.x_test)
    np.testing.assert_array_equal(y_test, made.y_test)
    assert cache.damaged() == []
    assert not set(contents(cache.own_cache())) & {ARCHIVE, f"{ARCHIVE}.part"}


def flip_unseen(path, place=1000):
    """Change a bit of a file, but neither its size nor its time of change."""
    before = path.stat()
    path.write_bytes(flipped(path.read_bytes(), place))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


# ---------------------------------------------------------------- finding the images


def test_nothing_is_found_where_nothing_is(clean_environment):
    assert find_cifar10() is None
    assert list(clean_environment.iterdir()) == []  # and looking leaves nothing behind


def test_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("CIFAR10_DIR", "")
    assert find_cifar10() is None


def test_folder_may_be_the_batches_folder_or_its_parent(small):
    assert find_cifar10(small.folder) == small.folder
    assert find_cifar10(str(small.folder.parent)) == small.folder


@pytest.mark.parametrize("place", KERAS_CACHES)
@pytest.mark.parametrize("named", [True, False], ids=["KERAS_HOME", "~/.keras"])
def test_cache_of_keras_is_used(small, clean_environment, monkeypatch, place, named):
    keras_home = clean_environment / ("elsewhere" if named else ".keras")
    if named:
        monkeypatch.setenv("KERAS_HOME", str(keras_home))
    target = keras_home / place
    target.parent.mkdir(parents=True)
    small.folder.rename(target)
    assert find_cifar10() == target
    np.testing.assert_array_equal(load_cifar10(val_size=0).x_train, small.x)
    assert not cache.own_cache().exists()  # no second copy of what is there already


def test_incomplete_cache_is_passed_over(small, clean_environment):
    target = clean_environment / ".keras" / KERAS_CACHES[0]
    target.parent.mkdir(parents=True)
    small.folder.rename(target)
    (target / "test_batch").unlink()
    assert find_cifar10() is None


def test_named_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="no folder") as caught:
        find_cifar10(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)
    assert "data_dir" in str(caught.value)


def test_name_that_no_file_system_takes_is_no_folder():
    with pytest.raises(DatasetError, match="which is no folder"):
        load_cifar10(data_dir="a" * 300)


def test_named_folder_without_all_files_is_an_error_that_lists_what_lacks(small, monkeypatch):
    (small.folder / "data_batch_2").unlink()
    (small.folder / "test_batch").unlink()
    (small.folder / "test_batch").mkdir()  # a folder in place of the file
    before = contents(small.folder)
    monkeypatch.setenv("CIFAR10_DIR", str(small.folder.parent))
    with pytest.raises(DatasetError, match="lacks data_batch_2, test_batch") as caught:
        find_cifar10()
    assert "CIFAR10_DIR" in str(caught.value)
    assert str(small.folder.parent) in str(caught.value)
    assert contents(small.folder) == before


def test_what_was_found_may_be_named_even_if_it_is_our_cache(tiny, filled, monkeypatch):
    folder, source = filled
    assert find_cifar10() == folder
    assert find_cifar10(folder) == folder
    monkeypatch.setenv("CIFAR10_DIR", str(find_cifar10()))
    assert_loads(tiny)
    flip_unseen(folder / CACHED[1])
    assert find_cifar10() is None
    assert_loads(tiny, source)


# ---------------------------------------------------------------- what the cache holds


def test_download_happens_once(tiny, archive, monkeypatch):
    with serving(good=good(archive)) as url:
        monkeypatch.setattr(files, "ARCHIVE", files.ARCHIVE._replace(mirrors=(url("good"),)))
        assert_loads(tiny)  # from the known mirrors, where no others are given
        assert url.asked == {"good": 1}
    assert_loads(tiny)
    assert find_cifar10() == cache.own_cache()
    assert contents(cache.own_cache()) == CACHED


def test_cached_file_is_pixels_then_labels_and_its_hash_the_fingerprint(tiny, filled):
    content = (filled[0] / "cifar10-train.bin").read_bytes()
    assert content == tiny.x.tobytes() + tiny.y.astype("<i8").tobytes()
    assert hashlib.sha256(content).hexdigest() == files.FINGERPRINTS["train"]


@pytest.mark.parametrize("name", CACHED)
@pytest.mark.parametrize("place", [0, 5000, -1], ids=["first pixel", "a pixel", "a label"])
def test_flipped_bit_that_size_and_time_hide_is_noticed_at_load(name, place, tiny, filled, capsys):
    folder, source = filled
    place %= (folder / name).stat().st_size
    load = {"train": load_cifar10, "test": load_cifar10_test}[name[8:-4]]
    flip_unseen(folder / name, place)
    with pytest.raises(DatasetError, match="could not be fetched"):  # rather than wrong pixels
        load(mirrors=[REFUSED])
    assert f"{name} is not as it was" in capsys.readouterr().out
    assert_loads(tiny, source)
    capsys.readouterr()
    flip_unseen(folder / name, place)
    assert [path.name for path in cache.damaged()] == [name]
    assert_loads(tiny, source)
    assert "is not as it was" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "removed"])
def test_damaged_cache_is_repaired_and_keeps_what_is_not_ours(damage, tiny, filled):
    folder, source = filled
    (folder / "notes.txt").write_text("mine")
    (folder / "other").mkdir()
    path = folder / CACHED[1]
    whole = path.read_bytes()
    path.unlink()
    if damage != "removed":
        path.write_bytes({"cut": whole[:-1], "longer": whole + b"x", "empty": b""}[damage])
    assert [damaged.name for damaged in cache.damaged()] == [path.name]
    assert_loads(tiny, source)
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "other").is_dir()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(change=damage(), name=st.sampled_from(CACHED))
def test_any_damage_to_the_cache_gives_our_error_or_the_right_data(
    filled, tiny, monkeypatch, name, change
):
    monkeypatch.setattr(fetch, "LIMITS", fetch.Limits(rounds=1))
    path = filled[0] / name
    kept = path.read_bytes()
    path.write_bytes(change(kept))
    with suppress(DatasetError):
        loaded = load_cifar10(val_size=0, mirrors=[REFUSED])
        np.testing.assert_array_equal(loaded.x_train, tiny.x)
        np.testing.assert_array_equal(loaded.y_train, tiny.y)
    with suppress(DatasetError):
        np.testing.assert_array_equal(load_cifar10_test(mirrors=[REFUSED])[0], tiny.x_test)
    path.write_bytes(kept)
    assert_loads(tiny, REFUSED)


def test_files_of_the_users_own_in_the_cache_are_neither_read_nor_touched(tiny, archive):
    names = (files.FOLDER, files.ARCHIVE.name, files.CIFAR10H.name)
    cache.own_cache().mkdir(parents=True)
    for name in names:
        (cache.own_cache() / name).write_text("mine")
    with serving(good=good(archive)) as url:
        assert_loads(tiny, url("good"))
    assert main(["data", "--clear"]) == 0
    assert contents(cache.own_cache()) == sorted(names)
    assert all((cache.own_cache() / name).read_text() == "mine" for name in names)


def test_damaged_cache_of_keras_is_said_and_left_for_our_own(tiny, archive, capsys):
    keras = Path(os.environ["HOME"], ".keras/datasets", files.FOLDER)
    shutil.copytree(tiny.folder, keras)
    (keras / "data_batch_3").write_bytes(b"x")
    with serving(good=good(archive)) as url:
        assert_loads(tiny, url("good"))
    assert "Keras' cache is damaged" in capsys.readouterr().out
    assert (keras / "data_batch_3").read_bytes() == b"x"
    with pytest.raises(DatasetError, match="data_batch_3"):  # named, it is the only one read
        load_cifar10(data_dir=keras, val_size=0)


def test_reading_the_cache_takes_little_memory_beyond_the_arrays(make_folder, publish):
    made = make_folder(rows=300)
    with serving(good=good(publish(made, pack(made.folder)))) as url:
        load_cifar10(mirrors=[url("good")], val_size=150)
    tracemalloc.start()
    loaded, test = load_cifar10(val_size=150), load_cifar10_test()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    arrays = (loaded.x_train, loaded.y_train, loaded.x_val, loaded.y_val, *test)
    assert peak <= 1.15 * sum(array.nbytes for array in arrays)


# ---------------------------------------------------------------- odd archives


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_archive_writes_nothing_but_the_cached_files(tiny, tmp_path, publish):
    outside = tmp_path / "outside"
    extra = [
        (member("../outside"), b"x"),
        (member(str(outside)), b"x"),
        (member(f"{files.FOLDER}/../../outside"), b"x"),
        (member(f"{files.FOLDER}/link", tarfile.SYMTYPE, str(outside)), b""),
        (member(f"{files.FOLDER}/device", tarfile.CHRTYPE), b""),
        (member(f"{files.FOLDER}/batches.meta"), b"x"),
    ]
    with serving(good=good(publish(tiny, pack(tiny.folder, extra)))) as url:
        assert_loads(tiny, url("good"))
    assert not outside.exists()
    assert contents(cache.own_cache()) == CACHED


def refused(content, match):
    """The error for an archive with the known hash, which must leave the cache empty."""
    with serving(good=good(content)) as url, pytest.raises(DatasetError, match=match) as caught:
        load_cifar10(mirrors=[url("good")])
    assert find_cifar10() is None
    assert set(contents(cache.own_cache())) <= {ARCHIVE}
    return str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_batch_that_is_a_link_or_a_device_counts_as_missing(kind, tiny, publish):
    (tiny.folder / "data_batch_3").unlink()
    extra = [(member(f"{files.FOLDER}/data_batch_3", kind, "/etc/passwd"), b"")]
    refused(publish(tiny, pack(tiny.folder, extra)), "KeyError: .*data_batch_3")


BATCHES = {
    "imports os.system": (lambda b: b | {"data": System()}, "asks to import"),
    "a row short": (lambda b: b | {"data": b["data"][1:]}, "shape"),
    "label of 10": (lambda b: b | {"labels": [10, *b["labels"][1:]]}, "0 to 9"),
    "float pixels": (lambda b: b | {"data": b["data"].astype("f4")}, "f4"),
}


class System:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("kind", BATCHES)
def test_bad_batch_is_refused_and_not_kept(
    kind, tiny, write_official, tmp_path, monkeypatch, publish
):
    monkeypatch.chdir(tmp_path)
    change, said = BATCHES[kind]
    rows = slice(files.ROWS, 2 * files.ROWS)
    pixels = tiny.x[rows].transpose(0, 3, 1, 2).reshape(files.ROWS, -1)
    batch = {"batch_label": "x", "labels": tiny.y[rows].tolist(), "data": pixels}
    write_official(tiny.folder / "data_batch_2", change(batch))
    assert "data_batch_2" in refused(publish(tiny, pack(tiny.folder)), said)
    assert not Path("ran").exists()


def test_archive_of_other_images_is_refused_and_not_kept(tiny, make_folder, publish):
    other = make_folder("other", seed=1, rows=files.ROWS)
    refused(publish(tiny, pack(other.folder)), "Expected the official images")


# ---------------------------------------------------------------- places and disks


def test_cache_whose_path_has_spaces(tiny, archive, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "own_cache", lambda: tmp_path / "my own cache" / "ü")
    with serving(good=good(archive)) as url:
        assert_loads(tiny, url("good"))


@pytest.mark.parametrize("place", ["", "deeper"])
def test_cache_that_is_no_folder_is_named(place, archive, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("mine")
    where = tmp_path / "file" / place
    monkeypatch.setattr(cache, "own_cache", lambda: where)
    with pytest.raises(DatasetError, match="Ways on") as caught:
        load_cifar10(mirrors=[REFUSED])
    assert str(where) in str(caught.value) and (tmp_path / "file").read_text() == "mine"


@contextmanager
def mounted(where, *options):
    """A small file system in memory, where the user may mount one."""
    where.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(where)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.mark.parametrize("room", [0.5, 1.5])
def test_full_disk_is_named_and_left_as_it_was(room, tiny, archive, monkeypatch, tmp_path):
    where = tmp_path / "disk"
    monkeypatch.setattr(cache, "own_cache", lambda: where)
    size = f"size={int(room * len(archive)) // 4096 * 4096}"
    with mounted(where, size), serving(good=good(archive)) as url:
        (where / "mine").write_text("mine")
        with pytest.raises(DatasetError, match="No space left") as caught:
            load_cifar10(mirrors=[url("good")])
        assert str(where) in str(caught.value)
        assert set(contents(where)) <= {"mine", ARCHIVE}
        subprocess.run(["mount", "-o", "remount,size=64m", str(where)], check=True)
        (where / "mine").unlink()
        assert_loads(tiny, url("good"))


def test_read_only_cache_is_read_and_an_empty_one_named(tiny, archive, monkeypatch, tmp_path):
    where = tmp_path / "disk"
    monkeypatch.setattr(cache, "own_cache", lambda: where)
    with mounted(where, "size=64m"), serving(good=good(archive)) as url:
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        with pytest.raises(DatasetError, match="Read-only file system"):
            load_cifar10(mirrors=[url("good")])
        subprocess.run(["mount", "-o", "remount,rw", str(where)], check=True)
        assert_loads(tiny, url("good"))
        (where / CACHED[0]).touch()
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        assert_loads(tiny)


# ---------------------------------------------------------------- many processes, and dead ones


CHILD = """
import itertools, os, sys, time
from pathlib import Path
from cifar_utils.data import load_cifar10
from cifar_utils.dataset import cache, fetch, files
rows, archive, prints, stage, marker, processes = eval(sys.argv[1])
files.ROWS, files.ARCHIVE, files.FINGERPRINTS = rows, files.Remote(*archive), prints

def hang(function):
    # Hang at the first call, or at the one that the stage names.
    at = int(stage.split()[-1]) if stage[-1].isdigit() else 1
    calls = itertools.count(1)

    def hanging(*arguments, **options):
        this = next(calls) == at
        if not this or stage.startswith("after"):
            result = function(*arguments, **options)
        if not this:
            return result
        Path(marker).touch()
        time.sleep(100)

    return hanging

if "decoding" in stage:
    files.read_split = hang(files.read_split)
if "replace" in stage:
    Path.replace = hang(Path.replace)
if "unlink" in stage:
    Path.unlink = hang(Path.unlink)
for _ in range(processes - 1):
    if os.fork() == 0:
        break
print(load_cifar10(val_size=0).fingerprint + "\\n", end="", flush=True)
"""


def start(source, stage="none", marker="-", processes=1):
    """A process, or several, that load the images, and hang at a stage."""
    archive = (*files.ARCHIVE[:3], (source,))
    told = (files.ROWS, archive, files.FINGERPRINTS, stage, str(marker), processes)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, repr(told)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_eight_processes_at_once_download_once(tiny, archive):
    def takes_its_time(request, count):
        time.sleep(0.3)
        good(archive)(request, count)

    with serving(good=takes_its_time) as url:
        output, errors = start(url("good"), processes=8).communicate(timeout=60)
        assert url.asked == {"good": 1}
    assert output.split() == [files.FINGERPRINTS["train"]] * 8, errors
    assert_loads(tiny)


def kill(process, when):
    deadline = time.monotonic() + 30
    while not when():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()


STAGES = {  # where a process is killed, and what it leaves: the archive comes first
    "download": [f"{ARCHIVE}.part"],
    "before decoding": [ARCHIVE],
    "before replace 2": [ARCHIVE, "cifar10-train.bin.part"],
    "after replace 2": [ARCHIVE, "cifar10-train.bin"],
    "after replace 3": [ARCHIVE, *CACHED],
    "after unlink 3": CACHED,
}


@pytest.mark.parametrize("stage", STAGES)
def test_killed_process_leaves_a_cache_that_the_next_one_fills(stage, tiny, archive, tmp_path):
    marker, part = tmp_path / "marker", cache.own_cache() / f"{ARCHIVE}.part"
    half = slowly(archive, 0, after=len(archive) // 2)
    with serving(source=half if stage == "download" else good(archive), good=good(archive)) as url:
        kill(
            start(url("source"), stage, marker),
            when=lambda: marker.exists() or (stage == "download" and part.exists()),
        )
        assert contents(cache.own_cache()) == sorted(STAGES[stage])
        if stage == "after replace 3":  # all is there, and the archive, too, until the next change
            assert find_cifar10() == cache.own_cache()
            (find_cifar10() / CACHED[0]).unlink()
        assert_loads(tiny, url("good"))
        assert url.asked["good"] == (stage == "download")  # what was fetched is not lost


def test_repair_that_is_killed_half_way_is_finished_by_the_next_process(filled, tiny, tmp_path):
    folder, source = filled
    for name in CACHED:
        flip_unseen(folder / name)
    (folder / "notes.txt").write_text("mine")
    marker = tmp_path / "marker"
    # The archive and the training images are in place by then.
    kill(start(source, "before replace 3", marker), when=marker.exists)
    assert [path.name for path in cache.damaged()] == ["cifar10-test.bin"]
    assert_loads(tiny, source)
    assert contents(folder) == [*CACHED, "notes.txt"]


# ---------------------------------------------------------------- CIFAR-10H


@pytest.fixture
def shares(monkeypatch):
    """A file of human labels, known to the package as that of CIFAR-10H."""
    packed = io.BytesIO()
    np.save(packed, np.random.default_rng(0).dirichlet(np.ones(10), 100))
    content = packed.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    known = files.CIFAR10H._replace(sha256=digest, size=len(content), mirrors=(REFUSED,))
    monkeypatch.setattr(files, "CIFAR10H", known)
    monkeypatch.setattr(fetch, "LIMITS", QUICK)
    monkeypatch.setattr(data, "_licence_shown", False)
    return content


def test_human_labels_come_through_the_same_door(shares, capsys):
    with serving(html=good(b"<html>"), good=good(shares)) as url:
        first = load_cifar10h(mirrors=[url("html"), url("good")])
        assert url.asked == {"html": 1, "good": 1}
    again = load_cifar10h()
    np.testing.assert_array_equal(first, again)
    assert first.shape == (100, 10) and np.allclose(first.sum(axis=1), 1)
    assert capsys.readouterr().out.count("CC BY-NC-SA 4.0") == 1


def test_human_labels_that_another_process_has_just_fetched_are_left_alone(shares, monkeypatch):
    path = cache.own_cache() / LABELS
    monkeypatch.setattr(cache, "SLOW_LOCK", 0.05)
    with ThreadPoolExecutor() as pool:
        with cache._changing():  # as the other process does, until it is there
            waiting = pool.submit(load_cifar10h)
            time.sleep(0.2)
            path.write_bytes(shares)
        assert waiting.result().shape == (100, 10)
    assert contents(path.parent) == [LABELS]


def test_waiting_for_another_process_is_said(shares, monkeypatch, capsys):
    monkeypatch.setattr(cache, "SLOW_LOCK", 0.05)
    with ThreadPoolExecutor() as pool, serving(good=good(shares)) as url:
        with cache._changing():
            waiting = pool.submit(load_cifar10h, mirrors=[url("good")])
            time.sleep(0.2)
        assert waiting.result().shape == (100, 10)
    assert "Waiting for another process" in capsys.readouterr().out


def test_human_labels_in_a_named_folder_are_read_there(shares, tmp_path, monkeypatch):
    (tmp_path / files.CIFAR10H.name).write_bytes(shares)
    assert load_cifar10h(tmp_path).shape == (100, 10)
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / files.FOLDER))  # or beside the batches
    assert load_cifar10h().shape == (100, 10)


def test_human_labels_that_were_changed_are_not_used(shares, tmp_path):
    (tmp_path / files.CIFAR10H.name).write_bytes(flipped(shares))
    with pytest.raises(DatasetError, match="could not be fetched") as caught:
        load_cifar10h(tmp_path)
    assert files.CIFAR10H.name in str(caught.value)
    with serving(good=good(shares)) as url:
        load_cifar10h(mirrors=[url("good")])
        flip_unseen(cache.own_cache() / LABELS)
        assert load_cifar10h(mirrors=[url("good")]).shape == (100, 10)
        assert url.asked == {"good": 2}


def test_human_labels_elsewhere_are_found_and_others_of_that_name_are_told(
    shares, tmp_path, monkeypatch
):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / files.CIFAR10H.name).write_bytes(shares)
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "two"))
    assert load_cifar10h(tmp_path / "one").shape == (100, 10)
    (tmp_path / "one" / files.CIFAR10H.name).write_text("mine")
    monkeypatch.delenv("CIFAR10_DIR")
    with pytest.raises(DatasetError, match=r"one.*\n.*another SHA-256"):
        load_cifar10h(tmp_path / "one")


# ---------------------------------------------------------------- the command line


def test_cache_can_be_shown_verified_and_cleared(filled, shares, capsys):
    folder, _ = filled
    (folder / "notes.txt").write_text("mine")
    (folder / LABELS).write_bytes(shares)
    (folder / f"{ARCHIVE}.part").write_bytes(b"half")
    (folder / "precision.json").write_text("{}")
    assert main(["data", "--where"]) == 0
    assert str(folder) in capsys.readouterr().out
    assert main(["data", "--verify"]) == 0
    flip_unseen(folder / CACHED[1])
    assert main(["data", "--verify"]) == 1
    assert f"Received: {CACHED[1]} missing or changed" in capsys.readouterr().err
    assert main(["data", "--clear"]) == 0
    assert contents(folder) == ["notes.txt"]
    assert main(["data", "--where"]) == 0
    assert "not on this machine" in capsys.readouterr().out
    assert main(["data", "--verify"]) == 1
    assert main(["data", "--clear"]) == 0


def test_half_a_download_is_kept_when_no_mirror_goes_on(tiny, archive):
    with serving(drops=dropping(archive), good=good(archive)) as url:
        with pytest.raises(DatasetError):
            load_cifar10(mirrors=[url("drops")])
        part = cache.own_cache() / f"{ARCHIVE}.part"
        assert part.read_bytes() == archive[: len(archive) // 2]
        assert_loads(tiny, url("good"))
