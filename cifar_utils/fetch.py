"""Fetch one file over HTTP from the first of several sources that delivers it.

What was fetched is kept from one source to the next, and from one process to the next,
as long as the servers can continue a file. The hash decides what the file is, so any
mirror is as good as the original.
"""

import builtins
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm.auto import tqdm

from cifar_utils.storage import Remote, sha256_of

CHUNK = 1 << 16
HOPELESS = range(400, 500)  # answers that will be the same the next time, but for these:
TRY_AGAIN = {408, 425, 429}


@dataclass(frozen=True)
class Limits:
    """When a source is left for the next one.

    Attributes
    ----------
    connect, read : float
        Seconds to connect, and to wait for the next byte.
    rate, window : float
        Bytes a second that a source has to deliver, on average over so many seconds, as
        long as there are others that have not been tried.
    rounds : int
        How often all sources are tried in a row without a byte of progress.
    pause : float
        Seconds after the first such round; twice as many after each further one.
    """

    connect: float = 10
    read: float = 15
    rate: float = 300_000
    window: float = 15
    rounds: int = 4
    pause: float = 1


LIMITS = Limits()


class FetchError(Exception):
    """No source delivered the file; ``reasons`` says why, for each that was tried."""

    def __init__(self, reasons: dict[str, str]):
        super().__init__("\n".join(f"{source}: {why}" for source, why in reasons.items()))
        self.reasons = reasons


class _Left(Exception):
    """A source that has to be left for now."""


class _WrongFile(Exception):
    """A source that answers, but not with the file."""


def fetch(
    remote: Remote,
    path: Path,
    sources: Sequence[str] | None = None,
) -> None:
    """Fetch a file, unless it is there.

    Parameters
    ----------
    remote : storage.Remote
        What the file must be, and where it is to be had.
    path : Path
        Where to put it. It appears there whole; until then, ``path`` with ``.part`` added
        holds what has come.
    sources : sequence of str, optional
        URLs, tried in their order, instead of the remote's.

    Raises
    ------
    ValueError
        If the sources are no list of URLs.
    FetchError
        If no source delivered it. What came remains, for the next time.
    OSError
        If it could not be written. What came is removed, to make room.
    """
    sources = remote.sources if sources is None else sources
    if isinstance(sources, str) or not sources:
        raise ValueError(f"Expected sources as a list of URLs. Received: {sources!r}.")
    if sha256_of(path) == remote.sha256:
        return
    part = path.with_name(path.name + ".part")
    reasons: dict[str, str] = {}
    left = list(dict.fromkeys(sources))
    rounds = fruitless = 0
    while left and fruitless < LIMITS.rounds:
        if fruitless:
            time.sleep(LIMITS.pause * 2 ** (fruitless - 1))
        before = _length(part)
        for source in tuple(left):
            patient = rounds > 0 or len(left) == 1  # a slow source is better than none
            try:
                _complete(source, remote, part, patient)
            except _WrongFile as error:
                reasons[source] = str(error)
                left.remove(source)
            except _Left as error:
                reasons[source] = str(error)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reasons[source] = _in_short(error)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            else:
                part.replace(path)
                return
        rounds += 1
        fruitless = 0 if _length(part) > before else fruitless + 1
    raise FetchError(reasons)


def _complete(source: str, remote: Remote, part: Path, patient: bool) -> None:
    """Bring the partial file to its end, and check it."""
    others = part.exists()  # begun by another source, or in an earlier process
    _transfer(source, remote.size, part, patient)
    found = sha256_of(part) or ""
    if found == remote.sha256:
        return
    part.unlink()
    if others:  # perhaps only the beginning was bad
        _complete(source, remote, part, patient)
        return
    raise _WrongFile(f"a file with another SHA-256, {found[:9]}… instead of {remote.sha256[:9]}…")


def _transfer(source: str, size: int, part: Path, patient: bool) -> None:
    begun = _length(part)
    if begun > size:
        begun = 0
    if begun == size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    with requests.get(
        source, headers=headers, stream=True, timeout=(LIMITS.connect, LIMITS.read)
    ) as answer:
        status = answer.status_code
        if status == 206:
            span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            if not span or int(span[1]) != begun:
                raise _WrongFile("another part of the file than was asked for")
        elif status == 200:
            begun = 0  # from the start, asked or not
        elif status in HOPELESS and status not in TRY_AGAIN:
            raise _WrongFile(f"HTTP {status} {answer.reason}")
        else:
            raise _Left(f"HTTP {status} {answer.reason}")
        length = answer.headers.get("Content-Length")
        if length and begun + int(length) != size:
            raise _WrongFile(f"a file of {begun + int(length):,} bytes instead of {size:,}")
        with part.open("ab" if begun else "wb") as file, _progress(size, begun) as bar:
            done, since, before = begun, time.monotonic(), begun
            while chunk := answer.raw.read1(CHUNK):
                done += len(chunk)
                if done > size:
                    break
                file.write(chunk)
                bar.update(len(chunk))
                seconds = time.monotonic() - since
                if seconds >= LIMITS.window:
                    rate = (done - before) / seconds
                    if rate < LIMITS.rate and not patient and done < size:
                        raise _Left(f"only {rate / 1000:.0f} kB/s")
                    since, before = time.monotonic(), done
    if done > size:
        part.unlink()
        raise _WrongFile(f"a file of more than {size:,} bytes")
    if done < size:
        raise _Left(f"the connection ended after {done:,} of {size:,} bytes")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _progress(size: int, begun: int) -> tqdm:
    """A bar with rate and remaining time, in a terminal or a notebook only."""
    shown = sys.stderr.isatty() or hasattr(builtins, "__IPYTHON__")
    return tqdm(total=size, initial=begun, unit="B", unit_scale=True, disable=not shown)


def _in_short(error: Exception) -> str:
    """The innermost cause of a chain of network errors, with its type."""
    reason = error
    while True:
        inner = getattr(reason, "reason", None) or next(
            (a for a in getattr(reason, "args", ()) if isinstance(a, Exception)), None
        )
        if not isinstance(inner, Exception):
            break
        reason = inner
    text = re.sub(r"^.*?object at 0x\w+>: ", "", str(reason))
    return f"{type(reason).__name__}: {text}"
