"""Servers on this machine that deliver a file, well or badly."""

import http.server
import io
import tarfile
import threading
import time
from contextlib import contextmanager, suppress

from cifar_utils.dataset import files

REFUSED = "http://127.0.0.1:9/archive"


def pack(folder, extra=()) -> bytes:
    """A folder as an archive with the official layout; `extra` are (tar header, content)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(folder, files.FOLDER)
        for member, content in extra:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


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
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

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


def send_from(request, content, count=None):
    """Send so many bytes, or all, from the byte on that was asked for; announce them all."""
    begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
    span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
    end = len(content) if count is None else begin + count
    rest = len(content) - begin
    send(request, content[begin:end], 206 if begin else 200, rest, Content_Range=span)
    return begin


def good(content):
    """An answer with the file, or the part of it that was asked for."""
    return lambda request, _: send_from(request, content)


def dropping(content, share=0.5):
    """An answer without ranges, whose connection ends early."""
    return lambda request, _: send(request, content[: int(share * len(content))],
                                   length=len(content))  # fmt: skip


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
        begin = send_from(request, content, after) + after
        for start in range(begin, len(content), max(1, rate // 50)):
            time.sleep(0.02 if rate else 60)
            request.wfile.write(content[start : start + rate // 50])
            request.wfile.flush()

    return answer


def flipped(content, place=1000):
    """The same, but for one bit."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
