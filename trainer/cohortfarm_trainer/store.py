"""Objects in a folder or in S3, whole or by range of bytes. Stores can be pickled and used after a fork."""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from .errors import NotFoundError, RetryableError, StageError, TerminalError, UsageError


_MAKING = threading.Lock()


class FolderStore:
    """Files below a folder."""

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
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    def __getstate__(self):
        return {**self.__dict__, "_own": None}

    @property
    def _client(self):
        """One client for all threads of a process: making one takes long, and its connections do not outlive a fork."""
        if self._own is None or self._own[0] != os.getpid():
            with _MAKING:
                if self._own is None or self._own[0] != os.getpid():
                    self._own = (os.getpid(), self._connect())
        return self._own[1]

    def _connect(self):
        import boto3
        from botocore.config import Config

        path_style = self.options.get("forcePathStyle")
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.options.get("endpoint"),
            region_name=self.options.get("region"),
            config=Config(
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
        try:
            return self._client.get_object(Bucket=self.bucket, Key=self._key(key), **wanted)["Body"].read()
        except Exception as error:
            raise s3_error(error, f"{self.uri}/{key}") from error

    def size(self, key: str) -> int | None:
        """Bytes; None when there is no such object."""
        try:
            return self._client.head_object(Bucket=self.bucket, Key=self._key(key))["ContentLength"]
        except Exception as error:
            known = s3_error(error, f"{self.uri}/{key}")
            if isinstance(known, NotFoundError):
                return None
            raise known from error

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
