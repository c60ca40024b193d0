"""Fetch one file over HTTP from the first of several mirrors that delivers it.

Its hash decides what it is, so any mirror is as good as the original, and another one, or
another process, can go on where one has stopped.
"""

import builtins
import errno
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError

from cifar_utils.dataset.files import WAYS_ON, DatasetError, Remote, part_of, sha256_of

TRY_AGAIN = {408, 425, 429}  # all other answers of 400 to 499 will be the same the next time
NO_RANGES = {400, 403, 416}  # answers to the wish for a part that may not mean the whole


@dataclass(frozen=True)
class Limits:
    """When a mirror is left for the next one, and when all are given up."""

    read: float = 15  # seconds to wait for an answer, and for each next byte
    rate: float = 300_000  # bytes a second, as long as there are mirrors not tried yet, ...
    window: float = 15  # ... on average over so many seconds
    longest: float = 4 * 3600  # seconds for the file, at the rate of a mirror without others, ...
    patience: float = 120  # ... again on average over so many
    rounds: int = 4  # of all mirrors, in a row, that hardly bring the file on
    pause: float = 1  # seconds after the first of them; twice as many after each further one


LIMITS = Limits()


class _Left(Exception):
    """Why a mirror is left, and how: "for now", "for others" or "for good"."""


def fetch(remote: Remote, path: Path, mirrors: Sequence[str] | None, tried: dict) -> None:
    """Fetch a file, unless it is there, from the mirrors given or known.

    It appears at `path` whole. Until then, what has come lies beside it, and stays there if
    the mirrors fail: the DatasetError says how, and what had been `tried` before. If the disk
    is full, it is removed, and there is an OSError.
    """
    if sha256_of(path) == remote.sha256:
        return
    part, slow = part_of(path), set()
    left = list(dict.fromkeys(remote.mirrors if mirrors is None else mirrors))
    fruitless = pause = 0
    while left and fruitless < LIMITS.rounds:
        time.sleep(pause)
        start, before = time.monotonic(), _length(part)
        for mirror in sorted(left, key=lambda mirror: mirror in slow):
            # A slow mirror is better than none, once the quick ones have failed.
            patient = len(left) == 1 or mirror in slow
            try:
                _complete(mirror, remote, part, patient)
                part.replace(path)
                return
            except _Left as error:
                tried[mirror], how = error.args
                if how == "for good":
                    left.remove(mirror)
                elif how == "for others":
                    slow.add(mirror)
            except (OSError, ValueError, HTTPError) as error:
                if number := getattr(error, "errno", None):  # it is the disk's, not the mirror's
                    if number in (errno.ENOSPC, errno.EDQUOT):
                        part.unlink(missing_ok=True)
                    raise
                innermost = re.sub(r"[\"']\)+$", "", str(error).rpartition(": ")[2])
                tried[mirror] = f"{type(error).__name__}: {innermost}"
        hardly = remote.size * max(0.001, (time.monotonic() - start) / LIMITS.longest)
        fruitless = 0 if _length(part) - before > hardly else fruitless + 1
        pause = LIMITS.pause * 2 ** max(0, fruitless - 1)
    reasons = "".join(f"Tried {what}\n    {why}\n" for what, why in tried.items())
    raise DatasetError(
        f"{remote.name} is not on this machine and could not be fetched to {path.parent}.\n"
        f"{reasons}{WAYS_ON}"
    )


def _complete(mirror: str, remote: Remote, part: Path, patient: bool) -> None:
    """Bring the partial file to its end, and check it."""
    others = part.exists()  # begun by another mirror, or in an earlier process
    if _length(part) < remote.size:
        _transfer(mirror, remote.size, part, patient)
    found = sha256_of(part) or ""
    if found == remote.sha256:
        return
    part.unlink()
    if not others:
        why = f"a file with another SHA-256, {found[:9]}… instead of {remote.sha256[:9]}…"
        raise _Left(why, "for good")
    _complete(mirror, remote, part, patient)  # perhaps only the beginning was bad


def _transfer(mirror: str, size: int, part: Path, patient: bool) -> None:
    """Ask for the rest of the partial file, or for all of it where that is not understood."""
    for begun in dict.fromkeys((_length(part), 0)):
        wish = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
        with requests.get(mirror, headers=wish, stream=True, timeout=LIMITS.read) as answer:
            span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            place = int(span[1]) if span and answer.status_code == 206 else 0
            if not begun or (answer.status_code not in NO_RANGES and place <= begun):
                return _write(answer, place, size, part, patient)


def _write(answer: requests.Response, place: int, size: int, part: Path, patient: bool) -> None:
    """Add what the partial file lacks from an answer that begins at a byte of the whole."""
    code, begun = answer.status_code, _length(part)
    if code not in (200, 206) or place > begun:
        final = 400 <= code < 500 and code not in TRY_AGAIN
        raise _Left(f"HTTP {code} {answer.reason}", "for good" if final else "for now")
    if "html" in answer.headers.get("Content-Type", ""):
        raise _Left("a web page instead of the file", "for good")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and place + int(length) != size:
        raise _Left(f"a file of {place + int(length):,} bytes instead of {size:,}", "for good")
    lowest, window = LIMITS.rate, LIMITS.window
    if patient:
        lowest, window = size / LIMITS.longest, LIMITS.patience
    shown = sys.stderr.isatty() or hasattr(builtins, "__IPYTHON__")  # a terminal or a notebook
    bar = tqdm(total=size, initial=place, unit="B", unit_scale=True, disable=not shown)
    since, before = time.monotonic(), place
    with part.open("ab") as file, bar:
        while place <= size and (chunk := answer.raw.read1(1 << 16)):
            file.write(chunk[max(0, begun - place) :])  # not what is there already
            place += len(chunk)
            bar.update(len(chunk))
            if (seconds := time.monotonic() - since) >= window and place < size:
                rate = (place - before) / seconds
                if rate < lowest:
                    why = (
                        f"only {rate / 1000:.1f} kB/s, {size / rate / 3600:.1f} hours for the file"
                    )
                    raise _Left(why, "for others")
                since, before = time.monotonic(), place
    if place > size:
        part.unlink()
        raise _Left(f"a file of more than {size:,} bytes", "for good")
    if place < size:
        raise _Left(f"the connection ended after {place:,} of {size:,} bytes", "for now")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
