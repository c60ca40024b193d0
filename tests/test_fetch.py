"""The loader gets CIFAR-10 from servers that misbehave, and keeps its cache intact."""

import hashlib
import http.server
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import damage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar_utils import data
from cifar_utils.dataset import cache
from cifar_utils.dataset import fetch
from cifar_utils.dataset import inventory
from cifar_utils.dataset import storage
from cifar_utils.__main__ import main
from cifar_utils.data import (
    DatasetError,
    find_cifar10,
    load_cifar10,
    load_cifar10_test,
    load_cifar10h,
)

REFUSED = "http://127.0.0.1:9/archive"
QUICK = fetch.Limits(connect=2, read=0.5, rate=300_000, window=0.4, rounds=3, pause=0.05)


@pytest.fixture
def archive(small, tmp_path, monkeypatch):
    """The small folder packed, and known to the package as the official archive."""
    return make_archive(small.folder, tmp_path, monkeypatch)


def make_archive(folder, tmp_path, monkeypatch, extra=()):
    """Pack a folder, then more (tar header, content) members; make it the one to fetch."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder, storage.FOLDER)
        for member, content in extra:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    content = packed.getvalue()
    remote = storage.Remote(
        storage.ARCHIVE.name, hashlib.sha256(content).hexdigest(), len(content), (REFUSED,)
    )
    monkeypatch.setattr(storage, "ARCHIVE", remote)
    monkeypatch.setattr(fetch, "LIMITS", QUICK)
    return content


@contextmanager
def serving(**answers):
    """A server on this machine; yields a function from an answer's name to its URL.

    Each answer is called with the request and the number of requests for it so far.
    """
    asked = dict.fromkeys(answers, 0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            asked[name] += 1
            with suppress(BrokenPipeError, ConnectionResetError):  # the client left
                answers[name](self, asked[name])
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def url(name):
        return f"http://127.0.0.1:{server.server_port}/{name}"

    url.asked = asked
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()


def send(request, body, status=200, length=None, **headers):
    request.send_response(status)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def good(content):
    """An answer with the file, or the part of it that was asked for."""

    def answer(request, _):
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if begin:
            span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            send(request, content[begin:], 206, Content_Range=span)
        else:
            send(request, content)

    return answer


def refusing(status, times=10**9, then=None):
    def answer(request, count):
        if count > times:
            then(request, count)
        else:
            send(request, b"no", status)

    return answer


def slowly(content, rate, after=0):
    """`after` bytes at once, then the rest at `rate` bytes a second; 0 is a stall."""

    def answer(request, _):
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        rest = content[begin:]
        span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        send(request, rest[:after], 206 if begin else 200, len(rest), Content_Range=span)
        for start in range(after, len(rest), max(1, rate // 20)):
            time.sleep(0.05 if rate else 60)
            request.wfile.write(rest[start : start + rate // 20])
            request.wfile.flush()

    return answer


def flipped(content):
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


def assert_loads(small, *sources):
    """The public function gives the right images, and the cache is as it should be."""
    loaded = load_cifar10(val_size=0, sources=sources or None)
    np.testing.assert_array_equal(loaded.x_train, small.x)
    np.testing.assert_array_equal(loaded.y_train, small.y)
    assert loaded.name == "cifar10"
    assert_intact()


def assert_intact(loaded=True):
    """No leftovers but what a later download can go on with; all files or none."""
    left = {p.name for p in cache.own_cache().iterdir()} if cache.own_cache().exists() else set()
    part = f"fetched-{storage.ARCHIVE.name}.part"
    assert left <= {".lock", storage.FOLDER, part}
    assert (storage.FOLDER in left) == loaded
    if loaded:
        assert part not in left
        assert cache.verify(cache.own_cache() / storage.FOLDER) == []


# ---------------------------------------------------------------- bad servers


BAD = {  # what a bad source answers, and what is said of it when there is no other
    "404": (lambda c: refusing(404), "HTTP 404"),
    "500": (lambda c: refusing(500), "HTTP 500"),
    "truncated": (
        lambda c: lambda r, _: send(r, c[: len(c) // 2], length=len(c)),
        "IncompleteRead|connection ended",
    ),
    "announces more": (lambda c: lambda r, _: send(r, c, length=len(c) + 9), "bytes instead of"),
    "announces less": (lambda c: lambda r, _: send(r, c, length=len(c) - 9), "bytes instead of"),
    "flipped bit": (lambda c: good(flipped(c)), "another SHA-256"),
    "right length": (lambda c: good(bytes(len(c))), "another SHA-256"),
    "HTML": (lambda c: good(b"<html>Please log in</html>"), "bytes instead of"),
    "silence": (lambda c: slowly(c, 0), "timed out"),
    "stall": (lambda c: slowly(c, 0, after=len(c) // 2), None),  # asked again, it goes on
    "slow": (lambda c: slowly(c, 20_000), None),  # better than none, if it takes long
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_source_is_left_for_the_next(kind, small, archive):
    answer, _ = BAD[kind]
    with serving(bad=answer(archive), good=good(archive)) as url:
        start = time.monotonic()
        assert_loads(small, url("bad"), url("good"))
        assert time.monotonic() - start < 10
        assert url.asked == {"bad": 1, "good": 1}


@pytest.mark.parametrize("kind", [kind for kind, (_, said) in BAD.items() if said])
def test_without_a_good_source_the_error_says_why_and_what_to_do(kind, small, archive):
    answer, said = BAD[kind]
    with (
        serving(bad=answer(archive)) as url,
        pytest.raises(DatasetError, match=said) as caught,
    ):
        load_cifar10(sources=[url("bad"), REFUSED])
    for part in (url("bad"), REFUSED, "refused", str(cache.own_cache()), "data_dir",
                 "CIFAR10_DIR", "sources=[", 'source="synthetic"'):  # fmt: skip
        assert part in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert_intact(loaded=False)
    with serving(good=good(archive)) as url:  # and nothing is lost
        assert_loads(small, url("good"))


def test_refused_connection_and_unknown_name_are_left_for_the_next(small, archive):
    with serving(good=good(archive)) as url:
        assert_loads(small, REFUSED, "http://nowhere.invalid/archive", url("good"))


def test_server_that_recovers_is_asked_again(small, archive):
    with serving(flaky=refusing(500, 1, good(archive))) as url:
        assert_loads(small, url("flaky"))
        assert url.asked["flaky"] == 2


def test_redirects_are_followed(small, archive):
    def redirect(request, _):
        send(request, b"", 302, Location="/good")

    with serving(moved=redirect, good=good(archive)) as url:
        assert_loads(small, url("moved"))


def test_body_longer_than_announced_is_cut(small, archive):
    with serving(longer=lambda r, _: send(r, archive + b"more", length=len(archive))) as url:
        assert_loads(small, url("longer"))


def test_body_without_an_announced_length(small, archive):
    def unannounced(content):
        def answer(request, _):
            request.send_response(200)
            request.end_headers()
            request.wfile.write(content)

        return answer

    with serving(more=unannounced(archive + b"more"), good=unannounced(archive)) as url:
        assert_loads(small, url("more"), url("good"))


def test_what_was_fetched_is_kept_where_servers_can_continue(small, archive):
    half, sent = len(archive) // 2, []

    def drops(request, _):
        send(request, archive[:half], length=len(archive))

    def rest(request, _):
        sent.append(request.headers.get("Range"))
        good(archive)(request, 1)

    with serving(drops=drops, rest=rest) as url:
        assert_loads(small, url("drops"), url("rest"))
    assert sent == [f"bytes={half}-"]


def test_server_that_drops_again_and_again_is_followed_to_the_end(small, archive):
    def drops(request, _):
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        span = f"bytes {begin}-{len(archive) - 1}/{len(archive)}"
        part = archive[begin : begin + len(archive) // 6 + 1]
        status = 206 if begin else 200
        send(request, part, status, len(archive) - begin, Content_Range=span)

    with serving(drops=drops) as url:
        assert_loads(small, url("drops"))
        assert url.asked["drops"] == 6  # more often than there are rounds


def test_server_without_ranges_starts_anew(small, archive):
    with serving(drops=lambda r, _: send(r, archive[:5000], length=len(archive)),
                 whole=lambda r, _: send(r, archive)) as url:  # fmt: skip
        assert_loads(small, url("drops"), url("whole"))


def test_bad_beginning_does_not_spoil_a_good_source(small, archive):
    bad = flipped(archive)[: len(archive) // 2]
    with serving(drops=lambda r, _: send(r, bad, length=len(archive)), good=good(archive)) as url:
        assert_loads(small, url("drops"), url("good"))
        assert url.asked["good"] == 2  # once for the rest, once for all of it


def test_slow_source_is_better_than_none(small, archive):
    with serving(slow=slowly(archive, 200_000, after=len(archive) - 200_000)) as url:
        assert_loads(small, url("slow"), REFUSED)


@pytest.mark.parametrize("sources", ["http://127.0.0.1:9/archive", []])
def test_sources_that_are_no_list_are_refused(sources, archive):
    with pytest.raises(ValueError, match="Expected sources as a list of URLs"):
        load_cifar10(sources=sources)


def test_download_happens_once(small, archive):
    with serving(good=good(archive)) as url:
        assert_loads(small, url("good"))
    assert_loads(small)
    assert find_cifar10() == cache.own_cache() / storage.FOLDER
    x_test, y_test = load_cifar10_test()
    np.testing.assert_array_equal(x_test, small.x_test)
    np.testing.assert_array_equal(y_test, small.y_test)


def test_known_sources_are_used_without_others(small, archive, monkeypatch):
    with serving(good=good(archive)) as url:
        monkeypatch.setattr(storage, "ARCHIVE", replace(storage.ARCHIVE, sources=(url("good"),)))
        assert_loads(small)


# ---------------------------------------------------------------- bad archives


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_archive_writes_nothing_but_the_batches(small, tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    extra = [
        (member("../outside"), b"x"),
        (member(str(outside)), b"x"),
        (member(f"{storage.FOLDER}/../../outside"), b"x"),
        (member(f"{storage.FOLDER}/link", tarfile.SYMTYPE, str(outside)), b""),
        (member(f"{storage.FOLDER}/device", tarfile.CHRTYPE), b""),
        (member(f"{storage.FOLDER}/batches.meta"), b"x"),
    ]
    content = make_archive(small.folder, tmp_path, monkeypatch, extra)
    with serving(good=good(content)) as url:
        assert_loads(small, url("good"))
    assert not outside.exists()
    found = {path.name for path in (cache.own_cache() / storage.FOLDER).iterdir()}
    assert found == {*storage.BATCHES, cache.LIST}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_batch_that_is_a_link_or_a_device_counts_as_missing(kind, small, tmp_path, monkeypatch):
    (small.folder / "data_batch_3").unlink()
    extra = [(member(f"{storage.FOLDER}/data_batch_3", kind, "/etc/passwd"), b"")]
    content = make_archive(small.folder, tmp_path, monkeypatch, extra)
    with (
        serving(good=good(content)) as url,
        pytest.raises(DatasetError, match="without data_batch_3"),
    ):
        load_cifar10(sources=[url("good")])
    assert find_cifar10() is None


BATCHES = {
    "imports os.system": (lambda b: b | {"data": System()}, "asks to import"),
    "a row short": (lambda b: b | {"data": b["data"][1:]}, "shape"),
    "label of 10": (lambda b: b | {"labels": [10, *b["labels"][1:]]}, "0 to 9"),
    "float pixels": (lambda b: b | {"data": b["data"].astype(float)}, "float64"),
}


class System:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("kind", BATCHES)
def test_bad_batch_is_refused_and_not_kept(kind, small, write_official, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change, said = BATCHES[kind]
    rows = slice(storage.ROWS, 2 * storage.ROWS)
    pixels = small.x[rows].transpose(0, 3, 1, 2).reshape(storage.ROWS, -1)
    batch = {"batch_label": "x", "labels": small.y[rows].tolist(), "data": pixels}
    write_official(small.folder / "data_batch_2", change(batch))
    content = make_archive(small.folder, tmp_path, monkeypatch)
    with serving(good=good(content)) as url, pytest.raises(DatasetError, match=said) as caught:
        load_cifar10(sources=[url("good")])
    assert "data_batch_2" in str(caught.value)
    assert find_cifar10() is None and not Path("ran").exists()


@pytest.mark.parametrize(
    "header", [{"Location": "http://[::1"}, {"Content_Length": "many"}, {"Content_Length": "9, 9"}]
)
def test_nonsense_in_a_header_is_left_for_the_next_source(header, small, archive):
    def odd(request, _):
        request.send_response(302 if "Location" in header else 200)
        for name, value in header.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(b"no")

    with serving(odd=odd, good=good(archive)) as url:
        assert_loads(small, url("odd"), url("good"))


def test_web_page_without_a_length_costs_nothing_that_was_fetched(small, archive):
    half = len(archive) // 2

    def page(request, _):
        request.send_response(200)
        request.send_header("Content-Type", "text/html; charset=utf-8")
        request.end_headers()
        request.wfile.write(b"<html>Please log in</html>")

    def rest(request, count):
        assert request.headers["Range"] == f"bytes={half}-"
        good(archive)(request, count)

    drops = BAD["truncated"][0](archive)
    with serving(drops=drops, page=page, rest=rest) as url:
        assert_loads(small, url("drops"), url("page"), url("rest"))
        assert url.asked == {"drops": 1, "page": 1, "rest": 1}


def test_server_that_begins_anew_and_drops_costs_nothing_that_was_fetched(small, archive):
    half = len(archive) // 2

    def drops(length):
        return lambda request, _: send(request, archive[:length], length=len(archive))

    def rest(request, count):
        assert request.headers["Range"] == f"bytes={half}-"
        good(archive)(request, count)

    with serving(half=drops(half), little=drops(1000), rest=rest) as url:
        assert_loads(small, url("half"), url("little"), url("rest"))


def test_server_that_refuses_to_continue_is_asked_for_the_whole(small, archive):
    def no_ranges(request, _):
        if request.headers.get("Range"):
            send(request, b"no", 403)
        else:
            send(request, archive)

    with serving(half=BAD["truncated"][0](archive), whole=no_ranges) as url:
        assert_loads(small, url("half"), url("whole"))
        assert url.asked == {"half": 1, "whole": 2}


def test_source_that_gives_a_byte_at_a_time_is_given_up(small, archive):
    def byte(request, _):
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        span = f"bytes {begin}-{len(archive) - 1}/{len(archive)}"
        rest = len(archive) - begin
        send(request, archive[begin : begin + 1], 206 if begin else 200, rest, Content_Range=span)

    with serving(byte=byte) as url:
        with pytest.raises(DatasetError, match=r"IncompleteRead|connection ended"):
            load_cifar10(sources=[url("byte")])
        assert url.asked["byte"] <= 5


def test_source_that_recovers_is_asked_before_a_slow_one_is_waited_for(small, archive):
    with serving(slow=slowly(archive, 20_000), flaky=refusing(500, 1, good(archive))) as url:
        assert_loads(small, url("slow"), url("flaky"))
        assert url.asked == {"slow": 1, "flaky": 2}


def test_missing_certificates_are_left_for_the_next_source(small, archive, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with serving(good=good(archive)) as url:
        assert_loads(small, url("good").replace("http:", "https:"), url("good"))


@pytest.mark.parametrize("sources", [5, [], "http://a", [["http://a"]], [None], ["ftp://a"], b"a"])
def test_sources_that_are_no_list_of_urls_are_refused_at_once(sources):
    for load in (load_cifar10, load_cifar10_test, load_cifar10h):
        with pytest.raises(ValueError, match="Expected sources as a list of URLs"):
            load(sources=sources)


# ---------------------------------------------------------------- the cache


@pytest.fixture
def filled(small, archive):
    """The batches folder of a filled cache, and a function that fills it again."""
    with serving(good=good(archive)) as url:
        load_cifar10(val_size=0, sources=[url("good")])
        yield cache.own_cache() / storage.FOLDER, url("good")


@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
def test_damaged_cache_is_repaired_and_keeps_what_is_not_ours(damage, small, filled):
    folder, source = filled
    (folder / "notes.txt").write_text("mine")
    (folder.parent / "other").mkdir()
    path = folder / "data_batch_2"
    if damage == "removed":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.write_bytes(flipped(path.read_bytes()))
    loaded = load_cifar10(val_size=0, sources=[source])
    np.testing.assert_array_equal(loaded.x_train, small.x)
    assert cache.verify(folder) == []
    assert (folder / "notes.txt").read_text() == "mine" and (folder.parent / "other").is_dir()


def test_damage_that_size_and_time_hide_is_found_by_verify_and_then_repaired(small, filled):
    folder, source = filled
    path = folder / "data_batch_2"
    state = path.stat()
    path.write_bytes(flipped(path.read_bytes()))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert cache.verify(folder) == ["data_batch_2"]
    np.testing.assert_array_equal(load_cifar10(val_size=0, sources=[source]).x_train, small.x)
    assert cache.verify(folder) == []


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(change=damage(), name=st.sampled_from([*storage.BATCHES, cache.LIST]))
def test_any_damage_to_the_cache_gives_our_error_or_the_right_data(filled, small, name, change):
    path = filled[0] / name
    kept = path.read_bytes()
    path.write_bytes(change(kept))
    with suppress(DatasetError):
        np.testing.assert_array_equal(load_cifar10(val_size=0, sources=[REFUSED]).x_train, small.x)
        np.testing.assert_array_equal(load_cifar10(val_size=0, sources=[REFUSED]).y_train, small.y)
        np.testing.assert_array_equal(load_cifar10_test(sources=[REFUSED])[0], small.x_test)
    path.write_bytes(kept)
    np.testing.assert_array_equal(load_cifar10(val_size=0, sources=[REFUSED]).x_train, small.x)


def test_files_of_others_in_the_place_of_ours_are_kept(small, archive):
    folder = cache.own_cache() / storage.FOLDER
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_text("mine")
    with serving(good=good(archive)) as url:
        load_cifar10(val_size=0, sources=[url("good")])
    kept = folder.with_name(f"{storage.FOLDER}.set-aside")
    assert [path.read_text() for path in kept.iterdir()] == ["mine"]
    assert cache.verify(folder) == []


def test_archive_and_labels_of_the_users_own_in_the_cache_are_kept(small, archive):
    names = (storage.ARCHIVE.name, storage.CIFAR10H.name)
    cache.own_cache().mkdir(parents=True)
    for name in names:
        (cache.own_cache() / name).write_text("mine")
    with serving(good=good(archive)) as url:
        load_cifar10(val_size=0, sources=[url("good")])
    assert main(["data", "--clear"]) == 0
    assert {p.name for p in cache.own_cache().iterdir()} == {".lock", *names}
    assert all((cache.own_cache() / name).read_text() == "mine" for name in names)


@pytest.mark.parametrize("content", ["", "{}", '{"files": {}, "splits": {}, "states": {}}', "[]"])
def test_broken_list_of_files_means_that_they_are_fetched_anew(content, small, filled):
    folder, source = filled
    (folder / cache.LIST).write_text(content)
    (folder / "data_batch_2").write_bytes(flipped((folder / "data_batch_2").read_bytes()))
    np.testing.assert_array_equal(load_cifar10(val_size=0, sources=[source]).x_train, small.x)
    assert cache.verify(folder) == []


def test_changed_label_in_the_list_is_found_by_verify_and_then_repaired(small, filled):
    folder, source = filled
    text = (folder / cache.LIST).read_text()
    labels = "".join(map(str, small.y))
    (folder / cache.LIST).write_text(text.replace(labels, str(9 - small.y[0]) + labels[1:]))
    assert cache.verify(folder) == [cache.LIST]
    np.testing.assert_array_equal(load_cifar10(val_size=0, sources=[source]).y_train, small.y)
    assert cache.verify(folder) == []


def test_damaged_cache_of_keras_is_said_and_left_for_our_own(small, archive, monkeypatch, capsys):
    keras = Path(os.environ["HOME"], ".keras/datasets", storage.FOLDER)
    shutil.copytree(small.folder, keras)
    (keras / "data_batch_3").write_bytes(b"x")
    with serving(good=good(archive)) as url:
        assert_loads(small, url("good"))
    assert "Keras' cache is damaged" in capsys.readouterr().out
    assert (keras / "data_batch_3").read_bytes() == b"x"
    with pytest.raises(DatasetError, match="data_batch_3"):  # named, it is the only one read
        load_cifar10(data_dir=keras, val_size=0)


def test_unchanged_files_are_not_hashed_again_and_touched_ones_are(filled, small, monkeypatch):
    folder, _ = filled
    hashed, sha256_of = [], storage.sha256_of

    def noticed(path):
        hashed.append(path.name)
        return sha256_of(path)

    for module in (cache, inventory):
        monkeypatch.setattr(module, "sha256_of", noticed)
    monkeypatch.setattr(storage, "_is_official", noticed)
    loaded = load_cifar10(val_size=0)
    np.testing.assert_array_equal(loaded.x_train, small.x)
    assert hashed == []
    assert loaded.fingerprint == storage.fingerprint(small.x, small.y)
    (folder / "data_batch_1").touch()
    assert load_cifar10(val_size=0).name == "cifar10"
    assert hashed == list(storage.BATCHES)
    assert find_cifar10() == folder and len(hashed) == 6  # and now the list is right again


def test_reading_the_cache_takes_little_memory_beyond_the_arrays(
    make_folder, tmp_path, monkeypatch
):
    made = make_folder(rows=1000)
    with serving(good=good(make_archive(made.folder, tmp_path, monkeypatch))) as url:
        load_cifar10(sources=[url("good")], val_size=500)
    tracemalloc.start()
    loaded = load_cifar10(val_size=500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    arrays = (loaded.x_train, loaded.y_train, loaded.x_val, loaded.y_val)
    assert peak <= 1.2 * sum(array.nbytes for array in arrays)


def test_cache_whose_path_has_spaces(small, archive, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "own_cache", lambda: tmp_path / "my own cache" / "ü")
    with serving(good=good(archive)) as url:
        assert_loads(small, url("good"))


@pytest.mark.parametrize("place", ["", "deeper"])
def test_cache_that_is_no_folder_is_named(place, archive, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("mine")
    where = tmp_path / "file" / place
    monkeypatch.setattr(cache, "own_cache", lambda: where)
    with pytest.raises(DatasetError, match="Ways on") as caught:
        load_cifar10(sources=[REFUSED])
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
def test_full_disk_is_named_and_left_as_it_was(room, small, archive, monkeypatch, tmp_path):
    where = tmp_path / "disk"
    monkeypatch.setattr(cache, "own_cache", lambda: where)
    size = f"size={int(room * len(archive)) // 4096 * 4096}"
    with mounted(where, size), serving(good=good(archive)) as url:
        (where / "mine").write_text("mine")
        with pytest.raises(DatasetError, match="No space left") as caught:
            load_cifar10(sources=[url("good")])
        assert str(where) in str(caught.value)
        left = {path.name for path in where.iterdir()}
        assert left <= {"mine", ".lock", f"fetched-{storage.ARCHIVE.name}"}
        subprocess.run(["mount", "-o", "remount,size=64m", str(where)], check=True)
        (where / "mine").unlink()
        assert_loads(small, url("good"))


def test_read_only_cache_is_read_and_an_empty_one_named(small, archive, monkeypatch, tmp_path):
    where = tmp_path / "disk"
    monkeypatch.setattr(cache, "own_cache", lambda: where)
    with mounted(where, "size=64m"), serving(good=good(archive)) as url:
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        with pytest.raises(DatasetError, match="Read-only file system"):
            load_cifar10(sources=[url("good")])
        subprocess.run(["mount", "-o", "remount,rw", str(where)], check=True)
        assert_loads(small, url("good"))
        (where / storage.FOLDER / "test_batch").touch()
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        np.testing.assert_array_equal(load_cifar10(val_size=0).x_train, small.x)


# ---------------------------------------------------------------- many processes, and dead ones


CHILD = """
import itertools, sys, time
from pathlib import Path
from cifar_utils.dataset import cache
from cifar_utils.dataset import fetch
from cifar_utils.dataset import storage
from cifar_utils.data import fingerprint, load_cifar10
sha256, size, source, rows, stage, marker = sys.argv[1:]
storage.ROWS = int(rows)
storage.ARCHIVE = storage.Remote(storage.ARCHIVE.name, sha256, int(size), (source,))

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

if "extraction" in stage:
    storage.index_split = hang(storage.index_split)
if "rename" in stage:
    Path.rename = hang(Path.rename)
if "replace" in stage:
    Path.replace = hang(Path.replace)
data = load_cifar10(val_size=0)
print(fingerprint(data.x_train, data.y_train))
"""


def start(source, stage="none", marker="-"):
    remote = storage.ARCHIVE
    arguments = [remote.sha256, remote.size, source, storage.ROWS, stage, marker]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_eight_processes_at_once_download_once(small, archive):
    def takes_its_time(request, count):
        time.sleep(0.5)
        good(archive)(request, count)

    with serving(good=takes_its_time) as url:
        processes = [start(url("good")) for _ in range(8)]
        outputs = [process.communicate(timeout=60) for process in processes]
        assert url.asked == {"good": 1}
    expected = storage.fingerprint(small.x, small.y)
    assert [out.split()[-1] for out, _ in outputs] == [expected] * 8, outputs
    assert_intact()


def kill(process, when):
    deadline = time.monotonic() + 30
    while not when():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()


STAGES = ("download", "before extraction", "before rename", "after rename", "before replace")


@pytest.mark.parametrize("stage", STAGES)
def test_killed_process_leaves_a_cache_that_the_next_one_fills(stage, small, archive, tmp_path):
    marker = tmp_path / "marker"
    part = cache.own_cache() / f"fetched-{storage.ARCHIVE.name}.part"
    half = slowly(archive, 0, after=len(archive) // 2)
    with serving(source=half if stage == "download" else good(archive), good=good(archive)) as url:
        kill(
            start(url("source"), stage, marker),
            when=lambda: marker.exists() or (stage == "download" and part.exists()),
        )
        if stage == "after rename":  # all is there, and the archive, too, until the next change
            assert find_cifar10() == cache.own_cache() / storage.FOLDER
            (find_cifar10() / "test_batch").unlink()
        assert_loads(small, url("good"))
        assert url.asked["good"] == (stage == "download")  # what was fetched is not lost


def test_repair_that_is_killed_half_way_is_finished_by_the_next_process(filled, small, tmp_path):
    folder, source = filled
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(b"damaged")
    (folder / "notes.txt").write_text("mine")
    marker = tmp_path / "marker"
    # The archive and the list are in place by then, and the first of the batches.
    kill(start(source, "before replace 4", marker), when=marker.exists)
    assert (folder / "test_batch").read_bytes() == b"damaged"
    assert_loads(small, source)
    assert (folder / "notes.txt").read_text() == "mine"


def test_file_of_others_outlives_a_kill_after_it_was_set_aside(small, archive, tmp_path):
    folder = cache.own_cache() / storage.FOLDER
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_text("mine")
    marker = tmp_path / "marker"
    with serving(good=good(archive)) as url:
        kill(start(url("good"), "after rename", marker), when=marker.exists)
        np.testing.assert_array_equal(
            load_cifar10(val_size=0, sources=[url("good")]).x_train, small.x
        )
    kept = folder.with_name(f"{storage.FOLDER}.set-aside")
    assert [path.read_text() for path in kept.iterdir()] == ["mine"]
    assert cache.verify(folder) == []


# ---------------------------------------------------------------- CIFAR-10H


@pytest.fixture
def shares(monkeypatch):
    """A file of human labels, known to the package as that of CIFAR-10H."""
    packed = io.BytesIO()
    np.save(packed, np.random.default_rng(0).dirichlet(np.ones(10), 100))
    content = packed.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    known = replace(storage.CIFAR10H, sha256=digest, size=len(content), sources=(REFUSED,))
    monkeypatch.setattr(storage, "CIFAR10H", known)
    monkeypatch.setattr(fetch, "LIMITS", QUICK)
    monkeypatch.setattr(data, "_licence_shown", False)
    return content


def test_human_labels_come_through_the_same_door(shares, capsys):
    with serving(html=good(b"<html>"), good=good(shares)) as url:
        first = load_cifar10h(sources=[url("html"), url("good")])
        assert url.asked == {"html": 1, "good": 1}
    again = load_cifar10h()
    np.testing.assert_array_equal(first, again)
    assert first.shape == (100, 10) and np.allclose(first.sum(axis=1), 1)
    assert capsys.readouterr().out.count("CC BY-NC-SA 4.0") == 1


def test_human_labels_that_another_process_has_just_fetched_are_left_alone(shares):
    path = cache.own_cache() / storage.CIFAR10H.name
    with ThreadPoolExecutor() as pool:
        with cache._changing(cache.own_cache()):  # as the other process does, until it is there
            waiting = pool.submit(load_cifar10h)
            time.sleep(0.5)
            path.write_bytes(shares)
        assert waiting.result().shape == (100, 10)
    assert [p.name for p in path.parent.glob(f"{path.name}*")] == [path.name]


def test_human_labels_in_a_named_folder_are_read_there(shares, tmp_path, monkeypatch):
    (tmp_path / storage.CIFAR10H.name).write_bytes(shares)
    assert load_cifar10h(tmp_path).shape == (100, 10)
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / storage.FOLDER))  # or beside the batches
    assert load_cifar10h().shape == (100, 10)


def test_human_labels_that_were_changed_are_not_used(shares, tmp_path):
    (tmp_path / storage.CIFAR10H.name).write_bytes(flipped(shares))
    with pytest.raises(DatasetError, match="could not be fetched") as caught:
        load_cifar10h(tmp_path)
    assert storage.CIFAR10H.name in str(caught.value)


# ---------------------------------------------------------------- the command line


def test_cache_can_be_shown_verified_and_cleared(filled, capsys):
    folder, _ = filled
    (folder / "notes.txt").write_text("mine")
    assert main(["data", "--where"]) == 0
    assert str(folder) in capsys.readouterr().out
    assert main(["data", "--verify"]) == 0
    path = folder / "data_batch_5"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["data", "--verify"]) == 1
    assert "data_batch_5" in capsys.readouterr().err
    assert main(["data", "--clear"]) == 0
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]
    assert main(["data", "--where"]) == 0
    assert "not on this machine" in capsys.readouterr().out
    assert main(["data", "--verify"]) == 1
    assert main(["data", "--clear"]) == 0


def test_human_labels_elsewhere_are_found_and_others_of_that_name_are_told(
    shares, tmp_path, monkeypatch
):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / storage.CIFAR10H.name).write_bytes(shares)
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "two"))
    assert load_cifar10h(tmp_path / "one").shape == (100, 10)
    (tmp_path / "one" / storage.CIFAR10H.name).write_text("mine")
    monkeypatch.delenv("CIFAR10_DIR")
    with pytest.raises(DatasetError, match=r"one.*\n.*another SHA-256"):
        load_cifar10h(tmp_path / "one")
