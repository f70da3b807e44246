"""Reports of progress to the operator: plain messages of NATS that may be lost, and that no training waits for."""

import json
import os
import socket
import ssl
import threading
from urllib.parse import urlsplit

URL, UID, TOKEN = "COHORTFARM_NATS_URL", "COHORTFARM_DATASET_UID", "COHORTFARM_NATS_TOKEN"
TIMEOUT = 5  # seconds for each answer of the server
MAX_LINE = 64 * 1024


class Reports:
    """Sends the latest report in a thread of its own; does nothing where the environment names no server."""

    def __init__(self, stage: str):
        self.stage = stage
        self.thread: threading.Thread | None = None
        self.servers = [server.strip() for server in os.environ.get(URL, "").split(",") if server.strip()]
        self.uid, self.token = os.environ.get(UID), os.environ.get(TOKEN)

    def send(self, done: int, total: int, seconds_left: float | None) -> None:
        if not self.servers or not self.uid or (self.thread is not None and self.thread.is_alive()):
            return
        report = {"stage": self.stage, "done": done, "all": total}
        if seconds_left is not None:
            report["secondsLeft"] = round(seconds_left)
        self.thread = threading.Thread(target=self._try, args=(json.dumps(report).encode(),), daemon=True)
        self.thread.start()

    def _try(self, payload: bytes) -> None:
        for server in self.servers:
            try:
                return _publish(server, f"cohortfarm.live.{self.uid}.step", payload, self._secret())
            except (OSError, ValueError):
                continue  # The next server, or the next report.

    def _secret(self) -> str | None:
        if not self.token:
            return None
        with open(self.token) as file:
            return file.read().strip()


def _publish(server: str, subject: str, payload: bytes, token: str | None) -> None:
    """One message on a connection of its own: https://docs.nats.io/reference/reference-protocols/nats-protocol."""
    url = urlsplit(server)
    with socket.create_connection((url.hostname, url.port or 4222), timeout=TIMEOUT) as plain:
        first = plain.makefile("rb", buffering=0).readline(MAX_LINE)
        info = json.loads(first.removeprefix(b"INFO "))
        secure = url.scheme == "tls" or info.get("tls_required", False)
        stream = ssl.create_default_context().wrap_socket(plain, server_hostname=url.hostname) if secure else plain
        hello = {"verbose": False, "pedantic": False, "lang": "python", "version": "0", "name": "trainer", "protocol": 0}
        if token is not None:
            hello["auth_token"] = token
        message = b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload)
        stream.sendall(b"CONNECT %s\r\n%sPING\r\n" % (json.dumps(hello).encode(), message))
        answers = stream.makefile("rb", buffering=0)
        while (answer := answers.readline(MAX_LINE)) and not answer.startswith(b"PONG"):
            if answer.startswith(b"-ERR"):
                raise ValueError(answer.decode(errors="replace"))
