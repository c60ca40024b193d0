"""The loader gets CIFAR-10 from servers that misbehave, slow ones and none at all."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUICK
from serving import (
    REFUSED,
    dropping,
    flipped,
    good,
    refusing,
    send,
    send_from,
    serving,
    slowly,
)

from cifar_utils.data import DatasetError, load_cifar10, load_cifar10_test, load_cifar10h
from cifar_utils.dataset import cache, fetch, files


def assert_loads(made, *mirrors):
    """The public function gives the right images, and the cache is as it should be."""
    loaded = load_cifar10(val_size=0, mirrors=mirrors)
    np.testing.assert_array_equal(loaded.x_train, made.x)
    np.testing.assert_array_equal(loaded.y_train, made.y)
    assert cache.damaged() == []
    left = {path.name for path in cache.own_cache().iterdir()}
    assert left - {".lock"} == {"cifar10-train.bin", "cifar10-test.bin"}  # filelock may remove it


BAD = {  # what a bad mirror answers, and what is said of it when there is no other
    "404": (lambda c: refusing(404), "HTTP 404"),
    "500": (lambda c: refusing(500), "HTTP 500"),
    "truncated": (dropping, "IncompleteRead|connection ended"),
    "announces more": (lambda c: lambda r, _: send(r, c, length=len(c) + 9), "bytes instead of"),
    "announces less": (lambda c: lambda r, _: send(r, c, length=len(c) - 9), "bytes instead of"),
    "flipped bit": (lambda c: good(flipped(c)), "another SHA-256"),
    "right length": (lambda c: good(bytes(len(c))), "another SHA-256"),
    "HTML": (lambda c: good(b"<html>Please log in</html>"), "bytes instead of"),
    "silence": (lambda c: slowly(c, 0), "timed out"),
    "stall": (lambda c: slowly(c, 0, after=len(c) // 2), None),  # asked again, it goes on
    "slow": (lambda c: slowly(c, 20_000), r"only \d\d\.\d kB/s"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_mirror_is_left_for_the_next(kind, tiny, archive):
    answer, _ = BAD[kind]
    with serving(bad=answer(archive), good=good(archive)) as url:
        start = time.monotonic()
        assert_loads(tiny, url("bad"), url("good"))
        assert time.monotonic() - start < 10
        assert url.asked == {"bad": 1, "good": 1}


@pytest.mark.parametrize("kind", [kind for kind, (_, said) in BAD.items() if said])
def test_without_a_good_mirror_the_error_says_why_and_what_to_do(kind, tiny, archive):
    answer, said = BAD[kind]
    with (
        serving(bad=answer(archive)) as url,
        pytest.raises(DatasetError, match=said) as caught,
    ):
        load_cifar10(mirrors=[url("bad"), REFUSED])
    for part in (url("bad"), REFUSED, "refused", str(cache.own_cache()), "data_dir",
                 "CIFAR10_DIR", "mirrors=[", 'source="synthetic"'):  # fmt: skip
        assert part in str(caught.value)
    assert caught.value.__cause__ is None
    left = {path.name for path in cache.own_cache().iterdir()}
    assert left <= {".lock", f"fetched-{files.ARCHIVE.name}.part"}
    with serving(good=good(archive)) as url:  # and nothing is lost
        assert_loads(tiny, url("good"))


def test_network_errors_are_told_by_their_innermost_cause(archive):
    with pytest.raises(DatasetError) as caught:
        load_cifar10(mirrors=[REFUSED, "http://nowhere.invalid/archive"])
    reasons = re.findall(r"\n    (.*)", str(caught.value))
    assert re.match(r"ConnectionError: .*\[Errno \d+\] Connection refused$", reasons[0])
    assert re.match(r"ConnectionError: Failed to resolve 'nowhere.invalid' \(.*\)$", reasons[1])


def test_refused_connection_and_unknown_name_are_left_for_the_next(tiny, archive):
    with serving(good=good(archive)) as url:
        assert_loads(tiny, REFUSED, "http://nowhere.invalid/archive", url("good"))


def test_server_that_recovers_is_asked_again(tiny, archive):
    with serving(flaky=refusing(500, 1, good(archive))) as url:
        assert_loads(tiny, url("flaky"))
        assert url.asked["flaky"] == 2


def test_redirects_are_followed(tiny, archive):
    def redirect(request, _):
        send(request, b"", 302, Location="/good")

    with serving(moved=redirect, good=good(archive)) as url:
        assert_loads(tiny, url("moved"))


def test_body_longer_than_announced_is_cut(tiny, archive):
    with serving(longer=lambda r, _: send(r, archive + b"more", length=len(archive))) as url:
        assert_loads(tiny, url("longer"))


def test_body_without_an_announced_length(tiny, archive):
    def unannounced(content):
        def answer(request, _):
            request.send_response(200)
            request.end_headers()
            request.wfile.write(content)

        return answer

    with serving(more=unannounced(archive + b"more"), good=unannounced(archive)) as url:
        assert_loads(tiny, url("more"), url("good"))


@pytest.mark.parametrize("header", [{"Location": "http://[::1"}, {"Content_Length": "many"},
                                    {"Content_Length": "9, 9"}])  # fmt: skip
def test_nonsense_in_a_header_is_left_for_the_next_mirror(header, tiny, archive):
    def odd(request, _):
        request.send_response(302 if "Location" in header else 200)
        for name, value in header.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(b"no")

    with serving(odd=odd, good=good(archive)) as url:
        assert_loads(tiny, url("odd"), url("good"))


def test_missing_certificates_are_left_for_the_next_mirror(tiny, archive, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with serving(good=good(archive)) as url:
        assert_loads(tiny, url("good").replace("http:", "https:"), url("good"))


@pytest.mark.parametrize("mirrors", [5, [], "http://a", [["http://a"]], [None], ["ftp://a"], b"a"])
def test_mirrors_that_are_no_list_of_urls_are_refused_at_once(mirrors):
    for load in (load_cifar10, load_cifar10_test, load_cifar10h):
        with pytest.raises(ValueError, match="Expected mirrors as a list of URLs"):
            load(mirrors=mirrors)


def test_original_server_which_is_slow_is_the_last_of_the_known_mirrors():
    *quick, last = files.ARCHIVE.mirrors
    assert quick and last.startswith("https://www.cs.toronto.edu/")


# ---------------------------------------------------------------- going on where it stopped


def test_what_was_fetched_is_kept_where_servers_can_continue(tiny, archive):
    half, sent = len(archive) // 2, []

    def rest(request, _):
        sent.append(request.headers.get("Range"))
        good(archive)(request, 1)

    with serving(drops=dropping(archive), rest=rest) as url:
        assert_loads(tiny, url("drops"), url("rest"))
    assert sent == [f"bytes={half}-"]


def test_server_that_drops_again_and_again_is_followed_to_the_end(tiny, archive):
    part = len(archive) // 6 + 1
    with serving(drops=lambda request, _: send_from(request, archive, part)) as url:
        assert_loads(tiny, url("drops"))
        assert url.asked["drops"] == 6  # more often than there are rounds


def test_server_without_ranges_starts_anew(tiny, archive):
    with serving(drops=dropping(archive), whole=lambda r, _: send(r, archive)) as url:
        assert_loads(tiny, url("drops"), url("whole"))
        assert url.asked == {"drops": 1, "whole": 1}


def test_server_that_continues_at_another_byte_is_asked_for_the_whole(tiny, archive):
    def elsewhere(request, _):
        if request.headers.get("Range"):
            end = len(archive) - 1
            send(request, archive[-10:], 206, Content_Range=f"bytes {end - 9}-{end}/{end + 1}")
        else:
            send(request, archive)

    with serving(drops=dropping(archive), elsewhere=elsewhere) as url:
        assert_loads(tiny, url("drops"), url("elsewhere"))
        assert url.asked == {"drops": 1, "elsewhere": 2}


def test_bad_beginning_does_not_spoil_a_good_mirror(tiny, archive):
    with serving(drops=dropping(flipped(archive)), good=good(archive)) as url:
        assert_loads(tiny, url("drops"), url("good"))
        assert url.asked["good"] == 2  # once for the rest, once for all of it


def test_partial_file_that_is_too_long_is_begun_anew(tiny, archive):
    cache.own_cache().mkdir(parents=True)
    (cache.own_cache() / f"fetched-{files.ARCHIVE.name}.part").write_bytes(archive + b"more")
    with serving(good=good(archive)) as url:
        assert_loads(tiny, url("good"))


def test_web_page_without_a_length_costs_nothing_that_was_fetched(tiny, archive):
    half = len(archive) // 2

    def page(request, _):
        request.send_response(200)
        request.send_header("Content-Type", "text/html; charset=utf-8")
        request.end_headers()
        request.wfile.write(b"<html>Please log in</html>")

    def rest(request, count):
        assert request.headers["Range"] == f"bytes={half}-"
        good(archive)(request, count)

    with serving(drops=dropping(archive), page=page, rest=rest) as url:
        assert_loads(tiny, url("drops"), url("page"), url("rest"))
        assert url.asked == {"drops": 1, "page": 1, "rest": 1}


def test_server_that_begins_anew_and_drops_costs_nothing_that_was_fetched(tiny, archive):
    half = len(archive) // 2

    def rest(request, count):
        assert request.headers["Range"] == f"bytes={half}-"
        good(archive)(request, count)

    with serving(half=dropping(archive), little=dropping(archive, 0.01), rest=rest) as url:
        assert_loads(tiny, url("half"), url("little"), url("rest"))


@pytest.mark.parametrize("status", [400, 403, 416])
def test_server_that_refuses_to_continue_is_asked_for_the_whole(status, tiny, archive):
    def no_ranges(request, _):
        if request.headers.get("Range"):
            send(request, b"no", status)
        else:
            send(request, archive)

    with serving(half=dropping(archive), whole=no_ranges) as url:
        assert_loads(tiny, url("half"), url("whole"))
        assert url.asked == {"half": 1, "whole": 2}


# ---------------------------------------------------------------- slow mirrors


def test_slow_mirror_is_better_than_none(tiny, archive):
    # Too slow while there may be others, quick enough for 5 seconds in all.
    with serving(slow=slowly(archive, 60_000, after=len(archive) - 30_000)) as url:
        assert_loads(tiny, url("slow"), REFUSED)
        assert url.asked["slow"] > 1


def test_mirror_that_recovers_is_asked_before_a_slow_one_is_waited_for(tiny, archive):
    with serving(slow=slowly(archive, 20_000), flaky=refusing(500, 1, good(archive))) as url:
        assert_loads(tiny, url("slow"), url("flaky"))
        assert url.asked == {"slow": 1, "flaky": 2}


def test_lone_slow_mirror_is_given_up_in_the_end_with_its_rate(tiny, archive):
    with serving(slow=slowly(archive, 20_000), good=good(archive)) as url:
        start = time.monotonic()
        with pytest.raises(DatasetError, match=r"only \d\d\.\d kB/s, 0\.0 hours") as caught:
            load_cifar10(mirrors=[url("slow")])
        assert time.monotonic() - start < 5  # the file would take nine
        assert url.asked["slow"] == QUICK.rounds
        assert 10 <= float(re.search(r"only ([\d.]+)", str(caught.value))[1]) <= 25
        part = cache.own_cache() / f"fetched-{files.ARCHIVE.name}.part"
        assert archive.startswith(part.read_bytes()) and part.stat().st_size > 5_000
        assert_loads(tiny, url("good"))  # which is asked for the rest


def test_lone_mirror_of_a_slow_rate_that_is_bearable_is_waited_for(tiny, archive, monkeypatch):
    # As Toronto's, which takes an hour of the four that are granted: here a half of a second.
    monkeypatch.setattr(fetch, "LIMITS", replace(QUICK, patience=0.1))
    with serving(slow=slowly(archive, 60_000, after=len(archive) - 30_000)) as url:
        assert_loads(tiny, url("slow"))
        assert url.asked == {"slow": 1}


def test_limits_bear_with_the_original_server_and_not_with_much_less():
    limits, size = fetch.Limits(), files.ARCHIVE.size
    assert size / limits.longest < 25_000  # bytes a second; 25 to 85 kB/s have been reported
    assert size / limits.longest > 10_000
    assert limits.patience >= 60


def test_mirror_that_gives_a_byte_at_a_time_is_given_up(tiny, archive):
    with serving(byte=lambda request, _: send_from(request, archive, 1)) as url:
        with pytest.raises(DatasetError, match=r"IncompleteRead|connection ended"):
            load_cifar10(mirrors=[url("byte")])
        assert url.asked["byte"] <= 5


def test_mirror_that_gives_a_little_and_stalls_is_given_up(tiny, archive):
    def little(request, _):
        send_from(request, archive, 1000)
        time.sleep(0.3)  # and is left for a rate of 3 kB/s over all its connections

    with serving(little=little) as url:
        with pytest.raises(DatasetError, match=r"IncompleteRead|connection ended"):
            load_cifar10(mirrors=[url("little")])
        assert url.asked["little"] == QUICK.rounds
