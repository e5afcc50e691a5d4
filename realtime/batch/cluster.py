"""A batch on an existing Dask cluster: the same files, styled by the cluster's workers.

Nothing is sent over the network but names: inputs, references and outputs lie where every worker
sees them under the same path. dask.distributed is imported here and nowhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import platform
import queue
import socket
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from realtime.batch.files import BatchError, Take
from realtime.batch.task import Failed, Job, Made, named, style_take
from realtime.batch.workers import TICK_SECONDS, Event, News

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 1.0  # at whether the cluster is there, and on a worker whether the batch is
_ALONE_SECONDS = 30.0  # without a worker; a cluster may be starting new ones
_CLOSE_SECONDS = 0.3


class Unseen(Exception):
    """A worker does not see the batch's folder."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """A connection to the cluster whose scheduler is at `address`. Raises: BatchError"""
    try:
        import distributed
    except ImportError:
        raise BatchError(
            "--cluster needs dask.distributed: pip install 'afx-live[cluster]'"
        ) from None
    _check_address(address, distributed.Security().get_connection_args("client"))
    with contextlib.ExitStack() as stack:
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable()  # what happens to the cluster, we say
        try:
            client = distributed.Client(
                address, timeout=_CONNECT_SECONDS, set_as_default=False, name="afx-live"
            )
        except Exception as error:  # OSError, and whatever another version answers
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BatchError(f"no Dask cluster answers at {address!r}: {reason}") from None
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):  # a scheduler that has gone
                client.close(timeout=_CLOSE_SECONDS)


def _check_address(address: str, security: Mapping[str, Any]) -> None:
    """Raises: BatchError where a client could not even try: it would take 20 s to give up."""
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        complete = parts.scheme in ("tcp", "tls") and bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete:
        raise BatchError(f"--cluster {address!r} is no address: HOST:PORT of a Dask scheduler")
    if parts.scheme == "tls" and security.get("ssl_context") is None:
        raise BatchError(f"--cluster {address!r} needs certificates in Dask's configuration")


def run_there(client: Client, job: Job, takes: Sequence[Take]) -> News:
    """Style all `takes` on the cluster; news of them, and None ten times a second.

    Closing the iterator drops what is not done; what a worker is at ends within a second.

    Raises: BatchError where a worker cannot take part, or the cluster goes away.
    """
    about = Path(job.staging) / "job.pickle"
    about.write_bytes(pickle.dumps(_absolute(job)))
    _check(client, about, [os.path.abspath(take.source) for take in takes[:1]])
    return _news(client, str(about), takes)


def _news(client: Client, about: str, takes: Sequence[Take]) -> News:
    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
    waiting: dict[Future, Take] = {}
    watch = _Watch(client)
    try:
        for take in takes:
            there = replace(take, source=os.path.abspath(take.source))
            future = client.submit(style_there, about, there, pure=False)
            waiting[future] = take
            future.add_done_callback(ended.put)
        while waiting:
            try:
                future = ended.get(timeout=TICK_SECONDS)
            except queue.Empty:
                watch.look()
                yield None
                continue
            take = waiting.pop(future)
            yield Event(take, 1.0, _outcome(take, future))
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(waiting), force=True)


def style_there(about: str, take: Take) -> Made | Failed:
    """`style_take` on a worker; given up when the batch has. Raises: Unseen"""
    try:
        job = _job(about)
    except OSError as error:
        raise Unseen(f"worker {_here()} does not see {os.path.dirname(about)!r}: {error}") from None
    next_look = time.monotonic() + _LOOK_SECONDS

    def progress(_: float) -> None:
        nonlocal next_look
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + _LOOK_SECONDS
            if not os.path.exists(about):
                raise Unseen("the batch has ended")

    outcome = style_take(job, take, progress)
    if isinstance(outcome, Failed) and not os.path.exists(take.source):
        return Failed(f"{outcome.reason} (on worker {_here()})")
    return outcome


def probe(about: str, sources: Sequence[str]) -> dict[str, Any]:
    """What a worker is, and which of these it does not see."""
    return {**_self(), "unseen": [p for p in (about, *sources) if not os.path.exists(p)]}


def code_fingerprint() -> str:
    """16 hex digits that name this package as it is here: code, model, presets' table."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".onnx")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _self() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "Python": python, "dask.distributed": version("distributed"),
        "afx-live": code_fingerprint(), "host": socket.gethostname(),
    }  # fmt: skip


def _check(client: Client, about: Path, sources: Sequence[str]) -> None:
    """Refuse a cluster of which a worker could not do its part. Raises: BatchError"""
    try:
        answers: Mapping[str, Any] = client.run(probe, str(about), sources, on_error="return")
    except Exception as error:
        raise BatchError(f"the cluster does not answer: {' '.join(str(error).split())}") from None
    if not answers:
        raise BatchError("the cluster has no workers")
    ours = _self()
    for worker, answer in answers.items():
        if not isinstance(answer, Mapping):
            reason = " ".join(str(answer).split())
            raise BatchError(
                f"worker {worker} does not have this version of afx-live installed: {reason}"
            )
        for what in ("Python", "dask.distributed", "afx-live"):
            if answer[what] != ours[what]:
                raise BatchError(
                    f"worker {worker} has {what} {answer[what]}, here it is {ours[what]}: "
                    "they must be the same"
                )
        if answer["unseen"]:
            unseen = answer["unseen"][0]
            shown = os.path.dirname(unseen) if unseen == str(about) else unseen
            raise BatchError(
                f"worker {worker} on {answer['host']} does not see {shown!r}: inputs and the "
                "output folder must be where every worker finds them under the same path"
            )


class _Watch:
    """Whether the cluster is still there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._next_look = 0.0
        self._seen = time.monotonic()

    def look(self) -> None:
        """Raises: BatchError where the scheduler has gone, or no worker was there for long."""
        now = time.monotonic()
        if self._client.status == "closed":
            raise BatchError("the cluster's scheduler has gone")
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        if self._client.status == "running" and self._client.nthreads():
            self._seen = now
        elif now - self._seen > _ALONE_SECONDS:
            raise BatchError(f"the cluster had no worker for {_ALONE_SECONDS:g} s")


def _outcome(take: Take, future: Future) -> Made | Failed:
    """What came of a file. Raises: BatchError where that says that no other can do better."""
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise BatchError("the cluster's scheduler has gone, or dropped the batch")
    error = future.exception()
    if isinstance(error, Unseen):
        raise BatchError(str(error))
    if isinstance(error, KilledWorker):
        return Failed(named(take, "every worker that worked at it died"))
    if error is not None:
        return Failed(named(take, f"{type(error).__name__}: {error}"))
    outcome: Made | Failed = future.result()
    return outcome


def _absolute(job: Job) -> Job:
    """The job with every path as it is from wherever a worker stands."""

    def absolute(value: Any) -> Any:
        if isinstance(value, list):
            return [absolute(item) for item in value]
        there = isinstance(value, str) and os.path.exists(value)
        return os.path.abspath(value) if there else value

    args = Namespace(**{name: absolute(value) for name, value in vars(job.args).items()})
    return replace(job, args=args, folder=os.path.abspath(job.folder))


@lru_cache(maxsize=1)
def _job(about: str) -> Job:
    """A batch's job, read once by a worker."""
    job: Job = pickle.loads(Path(about).read_bytes())
    return job


def _here() -> str:
    from distributed import get_worker

    return str(get_worker().address)
