"""How a remote file is opened: HTTP, commands, and the rest by fsspec."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import fsspec

__all__ = ['Download', 'make_download', 'open_filesystem']

# a request to an object store fetches so many bytes
REQUEST_BYTES = 2**23


class Download(ABC):
    """One remote file, which can be opened more than once.

    Args:
        url (str): Where it is.
        connect_timeout (float): Seconds until the server answers.
        read_timeout (float): Seconds without any data.
    """

    def __init__(
        self, url: str, connect_timeout: float, read_timeout: float
    ) -> None:
        self.url = url
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        # such a file is whole on disk before it is open
        self.is_chained = '::' in url and not url.startswith('pipe:')

    @abstractmethod
    def open(self, begin: int) -> AbstractContextManager[tuple[Any, int]]:
        """Open the file.

        Args:
            begin (int): How many of its bytes are known already.

        Returns:
            tuple[Any, int]: A stream and the position it begins at:
            ``begin``, or 0 if the server cannot go on there, or if what it
            has now may be another file.
        """

    @abstractmethod
    def check_complete(self, stream: Any) -> None:
        """Raise an OSError if the stream ended before its end."""

    def abandon(self) -> None:  # noqa: B027
        """End what is still running."""


def make_download(
    url: str, connect_timeout: float, read_timeout: float
) -> Download:
    """Return how to read a URL.

    Args:
        url (str): ``http(s)://``, ``pipe:COMMAND`` or what fsspec knows.
        connect_timeout (float): Seconds until the server answers.
        read_timeout (float): Seconds without any data.

    Returns:
        Download: The file; nothing is opened yet.
    """
    kind: type[Download] = _FilesystemFile
    if url.startswith('pipe:'):
        kind = _CommandOutput
    elif url.startswith(('http://', 'https://')) and '::' not in url:
        kind = _HttpFile
    return kind(url, connect_timeout, read_timeout)


def open_filesystem(
    url: str, connect_timeout: float, read_timeout: float
) -> tuple[Any, str]:
    """Return fsspec's file system and the path in it.

    Args:
        url (str): A URL with a protocol that fsspec knows.
        connect_timeout (float): Seconds until the server answers.
        read_timeout (float): Seconds without any data.

    Returns:
        tuple[AbstractFileSystem, str]: The new tries are left to us.

    Raises:
        ImportError: If the library behind the protocol is not installed.
    """
    client = dict(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries=dict(max_attempts=0),
    )
    is_s3 = any(part.startswith('s3://') for part in url.split('::'))
    options = dict(s3=dict(config_kwargs=client)) if is_s3 else {}
    system, path = fsspec.core.url_to_fs(url, **options)
    layers = [system, getattr(system, 'fs', None)]
    for layer in layers if is_s3 else []:
        if layer is not None and hasattr(layer, 'retries'):
            layer.retries = 1
    return system, path


class _HttpFile(Download):
    """A file of a web server, by one request without a HEAD before."""

    _etag: str | None = None

    @contextmanager
    def open(self, begin: int) -> Iterator[tuple[Any, int]]:
        request = self._request(begin if self._etag else 0)
        # ends the thread of a try that has been given up
        timeout = 2 * max(self.connect_timeout, self.read_timeout)
        try:
            response = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                self._etag = None
            raise
        with response:
            etag = response.headers.get('ETag', '')
            self._etag = etag if etag.startswith('"') else None
            yield response, _begin(response)

    def _request(self, begin: int) -> urllib.request.Request:
        parts = urllib.parse.urlsplit(self.url)
        user, _, host = parts.netloc.rpartition('@')
        url = urllib.parse.urlunsplit(parts._replace(netloc=host))
        # what is not ASCII, or no part of a URL, is sent escaped
        url = urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")
        headers = {'Accept-Encoding': 'identity', 'User-Agent': 'm3i_mm'}
        if begin and self._etag:
            headers['Range'] = f'bytes={begin}-'
            headers['If-Range'] = self._etag
        request = urllib.request.Request(url, headers=headers)
        if user:
            secret = base64.b64encode(urllib.parse.unquote(user).encode())
            # not for the host that a redirection leads to
            request.add_unredirected_header(
                'Authorization', f'Basic {secret.decode()}'
            )
        return request

    def check_complete(self, stream: Any) -> None:
        if stream.length:
            raise EOFError(
                f'the transfer breaks off, {stream.length} bytes are missing'
            )


def _begin(response: Any) -> int:
    """Return the position at which the body of a response begins."""
    if response.status != 206:
        return 0
    given = response.headers.get('Content-Range', '')
    first = given.removeprefix('bytes ').partition('-')[0]
    if not first.isdigit():
        raise OSError(f'the server sent Content-Range: {given!r}')
    return int(first)


class _CommandOutput(Download):
    """What a command prints: ``pipe:ssh host cat a.tar``."""

    _process: subprocess.Popen | None = None

    @contextmanager
    def open(self, begin: int) -> Iterator[tuple[Any, int]]:
        self._process = subprocess.Popen(
            self.url.removeprefix('pipe:'),
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield self._process.stdout, 0
        finally:
            self.abandon()
            if self._process.stdout:
                self._process.stdout.close()

    def check_complete(self, stream: Any) -> None:
        if self._process and (status := self._process.wait()):
            raise OSError(f'the command ended with exit status {status}')

    def abandon(self) -> None:
        process = self._process
        if process and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _FilesystemFile(Download):
    """A file of an object store, or whatever else fsspec can open."""

    _identity: Any = None

    @contextmanager
    def open(self, begin: int) -> Iterator[tuple[Any, int]]:
        system, path = open_filesystem(
            self.url, self.connect_timeout, self.read_timeout
        )
        with system.open(path, 'rb', block_size=REQUEST_BYTES) as stream:
            details = getattr(stream, 'details', None) or {}
            before, self._identity = self._identity, details.get('ETag')
            same = self._identity is not None and before == self._identity
            begin = begin if same else 0
            stream.seek(begin)
            yield stream, begin

    def check_complete(self, stream: Any) -> None:
        size = getattr(stream, 'size', None)
        if size is not None and stream.tell() < size:
            raise EOFError(
                f'the transfer breaks off after {stream.tell()} bytes'
            )
