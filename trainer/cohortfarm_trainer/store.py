"""Objects in a folder or in S3, whole or by range of bytes. Stores can be pickled and used after a fork."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from .errors import NotFoundError, RetryableError, StageError, TerminalError, UsageError

_MAKING = threading.Lock()

SIGNED_SECONDS = 3600
RENEWED_SECONDS = 600  # after this a new URL is signed, long before the old one ends
UNSIGNED_SECONDS = 60  # without signed URLs, once one was of no use


class FolderStore:
    """Files below a folder."""

    options: dict[str, Any] = {}

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.uri = str(self.folder)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of an object from `start` to before `end`. Raises NotFoundError."""
        try:
            with open(self.folder / key, "rb") as file:
                file.seek(start)
                return file.read() if end is None else file.read(end - start)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"there is no {self.uri}/{key}; correct the URI") from error

    def size(self, key: str) -> int | None:
        """Bytes; None when there is no such object."""
        path = self.folder / key
        return path.stat().st_size if path.is_file() else None

    def stamp(self, key: str) -> str:
        """A text that changes when the object does."""
        state = (self.folder / key).stat()
        return f"{state.st_size}-{state.st_mtime_ns}"

    def put(self, key: str, data: bytes) -> None:
        """Writes an object whole, in place of any other; it survives a crash once this returns."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys with their sizes in bytes, sorted."""
        base = self.folder / prefix if not prefix or prefix.endswith("/") else (self.folder / prefix).parent
        found = []
        for root, _, names in os.walk(base, followlinks=True):
            found += [os.path.relpath(os.path.join(root, name), self.folder) for name in names]
        for key in sorted(key for key in found if key.startswith(prefix)):
            yield key, (self.folder / key).stat().st_size


class S3Store:
    """Objects below a prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str, options: dict[str, Any]):
        self.bucket, self.prefix, self.options = bucket, prefix, options
        self._own: tuple[int, Any] | None = None  # process and its client
        self._pool: tuple[int, Any] | None = None  # process and its connections for signed URLs
        self._signer: Any = None  # a client that only signs, which the process need not have made itself
        self._signed: dict[str, tuple[float, str]] = {}  # by key: when it was signed, and the URL
        self._unsigned_until = 0.0
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    def __getstate__(self):
        return {**self.__dict__, "_own": None, "_pool": None, "_signer": None, "_signed": {}, "_unsigned_until": 0.0}

    @property
    def _client(self):
        """One client for all threads of a process: making one takes long, and its connections do not outlive a fork."""
        if self._own is None or self._own[0] != os.getpid():
            with _MAKING:
                if self._own is None or self._own[0] != os.getpid():
                    self._own = (os.getpid(), self._connect())
                    self._signer = self._own[1]
        return self._own[1]

    @property
    def _connections(self):
        """Of the process, for signed URLs."""
        if self._pool is None or self._pool[0] != os.getpid():
            import urllib3
            from botocore.httpsession import get_cert_path

            authorities = os.environ.get("AWS_CA_BUNDLE") or get_cert_path(True)
            timeout = urllib3.Timeout(connect=5, read=60)
            self._pool = (os.getpid(), urllib3.PoolManager(maxsize=32, ca_certs=authorities, retries=False, timeout=timeout))
        return self._pool[1]

    def _connect(self):
        import boto3
        from botocore.config import Config

        path_style = self.options.get("forcePathStyle")
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.options.get("endpoint"),
            region_name=self.options.get("region"),
            config=Config(
                signature_version="s3v4",
                retries={"mode": "standard", "max_attempts": 6},
                s3={"addressing_style": "path" if path_style else "auto"},
                max_pool_connections=32,
                response_checksum_validation="when_required",
                request_checksum_calculation="when_required",
            ),
        )

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}".lstrip("/")

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of an object from `start` to before `end`. Raises NotFoundError."""
        if end is not None and end <= start:
            return b""
        wanted = {} if start == 0 and end is None else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        if end is not None and time.monotonic() >= self._unsigned_until:
            data = self._get_signed(key, start, end)
            if data is not None:
                return data
            self._unsigned_until = time.monotonic() + UNSIGNED_SECONDS
        try:
            return self._client.get_object(Bucket=self.bucket, Key=self._key(key), **wanted)["Body"].read()
        except Exception as error:
            raise s3_error(error, f"{self.uri}/{key}") from error

    def _get_signed(self, key: str, start: int, end: int) -> bytes | None:
        """A range by a URL that is signed once for many requests: boto3 takes three times as long to send one.

        None when that does not give it, for whatever reason (a proxy, an ended session, an unreachable store): boto3 knows
        how to try again, and what to say.
        """
        signed_at, url = self._signed.get(key, (-RENEWED_SECONDS, ""))
        try:
            if time.monotonic() - signed_at >= RENEWED_SECONDS:
                params = {"Bucket": self.bucket, "Key": self._key(key)}
                signer = self._signer or self._client
                url = signer.generate_presigned_url("get_object", Params=params, ExpiresIn=SIGNED_SECONDS)
                self._signed[key] = (time.monotonic(), url)
            answer = self._connections.request("GET", url, headers={"Range": f"bytes={start}-{end - 1}"}, redirect=False)
        except Exception:
            return None
        return answer.data if answer.status == 206 else None

    def size(self, key: str) -> int | None:
        """Bytes; None when there is no such object."""
        try:
            return self._client.head_object(Bucket=self.bucket, Key=self._key(key))["ContentLength"]
        except Exception as error:
            known = s3_error(error, f"{self.uri}/{key}")
            if isinstance(known, NotFoundError):
                return None
            raise known from error

    def stamp(self, key: str) -> str:
        """A text that changes when the object does."""
        try:
            return self._client.head_object(Bucket=self.bucket, Key=self._key(key))["ETag"]
        except Exception as error:
            raise s3_error(error, f"{self.uri}/{key}") from error

    def put(self, key: str, data: bytes) -> None:
        """Writes an object whole, in place of any other."""
        import io

        try:
            self._client.upload_fileobj(io.BytesIO(data), self.bucket, self._key(key))
        except Exception as error:
            raise s3_error(error, f"{self.uri}/{key}") from error

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys with their sizes in bytes, sorted."""
        base = self._key("")
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=base + prefix)
            for page in pages:
                for entry in page.get("Contents", []):
                    yield entry["Key"][len(base) :], entry["Size"]
        except Exception as error:
            raise s3_error(error, self.uri) from error


Store = FolderStore | S3Store

_REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "ExpiredToken"}


def s3_error(error: Exception, what: str) -> StageError:
    """What an exception of boto3 means, in words that hold no secret."""
    from botocore import exceptions as known

    if isinstance(error, StageError):
        return error
    if isinstance(error, known.NoCredentialsError | known.PartialCredentialsError):
        return TerminalError(f"there are no AWS credentials to read {what} with; set them", "CredentialsMissing")
    code = error.response["Error"].get("Code", "") if isinstance(error, known.ClientError) else ""
    if code == "NoSuchBucket":
        return TerminalError(f"there is no bucket for {what}; create it or correct the URI", "BucketNotFound")
    if code in ("404", "NoSuchKey", "NotFound"):
        return NotFoundError(f"there is no {what}; correct the URI")
    if code in _REFUSED:
        return TerminalError(f"the store refuses access to {what} ({code}); check the credentials", "CredentialsRejected")
    return RetryableError(f"{what} cannot be reached now ({code or type(error).__name__}); it will be tried again")


def open_store(uri: str, options: dict[str, Any] | None = None) -> Store:
    """The store of s3://bucket/prefix, file:///folder or a path; nothing is contacted yet."""
    scheme = urlparse(uri).scheme
    if scheme == "s3":
        bucket, _, prefix = uri[len("s3://") :].partition("/")
        if "@" in bucket:
            raise UsageError("an s3:// URI must not hold credentials; use the AWS credential chain")
        return S3Store(bucket, prefix.strip("/"), options or {})
    if scheme == "file":
        return FolderStore(unquote(urlparse(uri).path))
    if scheme == "":
        return FolderStore(uri)
    raise UsageError(f"{scheme}:// cannot be read; use s3://, file:/// or a path")


def split_uri(uri: str) -> tuple[str, str]:
    """The folder and the name of an object."""
    folder, _, name = uri.rstrip("/").rpartition("/")
    return folder or "/", name
