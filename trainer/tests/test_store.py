"""Ranges of objects from a store that speaks S3: by URLs that are signed once, and by boto3 where those are of no use."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cohortfarm_trainer.errors import NotFoundError
from cohortfarm_trainer.store import S3Store

DATA = bytes(range(256)) * 4


class Handler(BaseHTTPRequestHandler):
    """Serves one object; the server says whether it takes signed URLs, and remembers who asked how."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        signed = "X-Amz-Signature" in self.path
        self.server.asked.append("signed" if signed else "boto3")
        if signed and not self.server.takes_signed:
            return self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        if not self.path.startswith("/bucket/data/a.tar"):
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        return self.answer(206, DATA[first : last + 1])

    def answer(self, code: int, body: bytes):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.takes_signed = [], True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def store_at(server) -> S3Store:
    return S3Store("bucket", "data", {"endpoint": f"http://127.0.0.1:{server.server_port}", "forcePathStyle": True})


def test_ranges_come_by_a_url_that_is_signed_once(server):
    store = store_at(server)
    assert [store.get("a.tar", at, at + 10) for at in (0, 7, 99)] == [DATA[at : at + 10] for at in (0, 7, 99)]
    assert server.asked == ["signed"] * 3
    assert len({url for _, url in store._signed.values()}) == 1


def test_where_signed_urls_are_refused_boto3_reads_on(server):
    server.takes_signed = False
    store = store_at(server)
    assert [store.get("a.tar", at, at + 10) for at in (0, 7)] == [DATA[:10], DATA[7:17]]
    assert server.asked == ["signed", "boto3", "boto3"]


def test_signed_urls_are_tried_again_after_a_while(server, monkeypatch):
    server.takes_signed = False
    store = store_at(server)
    monkeypatch.setattr("cohortfarm_trainer.store.UNSIGNED_SECONDS", 0)
    store.get("a.tar", 0, 10)
    server.takes_signed = True
    assert store.get("a.tar", 7, 17) == DATA[7:17]
    assert server.asked == ["signed", "boto3", "signed"]


def test_what_is_not_there_is_named_without_its_signature(server):
    with pytest.raises(NotFoundError) as caught:
        store_at(server).get("b.tar", 0, 10)
    assert str(caught.value) == "there is no s3://bucket/data/b.tar; correct the URI"
