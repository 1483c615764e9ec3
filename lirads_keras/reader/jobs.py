"""Work that takes seconds, in one process beside the server: a queue, progress, cancelling, and a new process where one died."""
from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Literal, Protocol
from uuid import uuid4

from lirads_keras.errors import InputError, Problem

JobKind = Literal["run", "next", "explanation", "segment_study", "segment_image"]
JobState = Literal["queued", "running", "done", "failed"]
Work = Callable[..., None]
"""Runs in the process: called with a connection and the arguments given to `Jobs`; see `reader.worker.serve_jobs`."""

KEPT_RESULTS = 10
"""So many finished jobs that nobody has waited for are remembered."""


@dataclass(eq=False)
class Job:
    """One piece of work. `error` is for the reader; `result` is what the process sent."""

    job_id: str
    kind: JobKind
    study_id: str | None
    payload: Mapping[str, Any]
    on_done: Callable[[str, Any], None] | None
    state: JobState = "queued"
    message: str = "waiting for its turn"
    fraction: float | None = None
    error: InputError | None = None
    result: Any = None
    cancelled: bool = False
    ended: threading.Event = field(default_factory=threading.Event)


class JobQueue(Protocol):
    """What the reading application asks of `Jobs`; tests have a scripted one."""

    def submit(self, kind: JobKind, study_id: str | None, payload: Mapping[str, Any], on_done: Callable[[str, Any], None] | None = None) -> str:
        """Queues a job and returns its id; `on_done(job_id, result)` is called in another thread before the job counts as done."""

    def find(self, job_id: str) -> Job | None:
        """The job, unless it was forgotten."""

    def cancel(self, job_id: str) -> None:
        """Takes a job out of the queue, or ends the process that works on it; forgets it."""

    def wait(self, job_id: str, timeout_s: float | None = None) -> Any:
        """The result, when it is there.

        Raises:
            InputError: the job failed or was cancelled.
            TimeoutError: it goes on after `timeout_s`.
        """

    def close(self) -> None:
        """Ends the process."""


class Jobs:
    """A `JobQueue` over one spawned process, which is started at once, so that its networks are loaded when the first job comes.

    Args:
        work: what the process runs, a function of a module.
        arguments: for `work`, after the connection; pickled.
    """

    def __init__(self, work: Work, *arguments: Any) -> None:
        self._work, self._arguments = work, arguments
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._running: Job | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._dispatch, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, kind: JobKind, study_id: str | None, payload: Mapping[str, Any], on_done: Callable[[str, Any], None] | None = None) -> str:
        job = Job(uuid4().hex[:16], kind, study_id, payload, on_done)
        with self._lock:
            if self._closed:
                raise InputError(Problem("the queue of jobs", "a server that is running", "one that is being stopped"))
            finished = [other.job_id for other in self._jobs.values() if other.ended.is_set()]
            for job_id in finished[:-KEPT_RESULTS]:
                del self._jobs[job_id]
            self._jobs[job.job_id] = job
        self._queue.put(job)
        return job.job_id

    def find(self, job_id: str) -> Job | None:
        with self._lock:
            return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        with self._lock:
            job = self._jobs.pop(job_id, None)
            if job is None or job.ended.is_set():
                return
            job.cancelled = True
            if job is self._running and self._process is not None:
                # TensorFlow cannot be interrupted: the process goes, and the next job gets a new one.
                self._process.kill()
            else:
                self._end(job, "failed", _cancelled())

    def wait(self, job_id: str, timeout_s: float | None = None) -> Any:
        job = self.find(job_id)
        if job is None:
            raise InputError(Problem("job", "one that was submitted and not cancelled", job_id))
        if not job.ended.wait(timeout_s):
            raise TimeoutError(f"job {job.kind} goes on after {timeout_s:g} s")
        with self._lock:
            self._jobs.pop(job_id, None)
        if job.error is not None:
            raise job.error
        return job.result

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _dispatch(self) -> None:
        self._start()
        while (job := self._queue.get()) is not None:
            with self._lock:
                if job.cancelled:
                    continue
                self._running = job
                job.state, job.message = "running", "starting"
            self._do(job)
            with self._lock:
                self._running = None
        with self._lock:
            waiting = [job for job in self._jobs.values() if not job.ended.is_set()]
            for job in waiting:
                self._end(job, "failed", _cancelled())

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                return
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=self._work, args=(theirs, *self._arguments), daemon=True)
            self._process.start()
            # With our copy open, the end of the process would not end the pipe.
            theirs.close()

    def _do(self, job: Job) -> None:
        """Sends a job and follows it to its end."""
        if self._process is None or self._process.exitcode is not None or not self._send(job):
            # It died between two jobs.
            self._start()
            if job.cancelled or not self._send(job):
                return self._fail_dead(job)
        assert self._process is not None and self._connection is not None
        while True:
            wait([self._connection, self._process.sentinel])
            try:
                kind, content = self._receive()
            except (EOFError, OSError):
                return self._fail_dead(job)
            if kind == "progress":
                job.fraction, job.message = content
            elif kind == "problems":
                return self._finish(job, InputError(*content), None)
            elif kind == "result":
                return self._finish(job, None, content)

    def _receive(self) -> tuple[str, Any]:
        """What the process sent; its last words may still lie in the pipe when it has ended."""
        assert self._connection is not None
        if not self._connection.poll():
            raise EOFError
        sent: tuple[str, Any] = self._connection.recv()
        return sent

    def _send(self, job: Job) -> bool:
        try:
            assert self._connection is not None
            self._connection.send((job.kind, job.payload))
        except (BrokenPipeError, ConnectionError):
            return False
        return True

    def _finish(self, job: Job, error: InputError | None, result: Any) -> None:
        if error is None and job.on_done is not None and not job.cancelled:
            try:
                job.on_done(job.job_id, result)
            except InputError as refused:
                error = refused
        with self._lock:
            job.result = result
            self._end(job, "done" if error is None else "failed", error)

    def _fail_dead(self, job: Job) -> None:
        """The process ended in the middle of a job; the next job finds a new one."""
        if self._process is not None:
            self._process.join()
            code = self._process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        else:
            how = "a server that is being stopped"
        self._start()
        with self._lock:
            self._end(job, "failed", _cancelled() if job.cancelled or self._closed else InputError(Problem(
                f"job {job.kind}", "a worker process that goes on to the job's end (a new one was started: try again)", f"{how} in the middle of it")))

    def _end(self, job: Job, state: JobState, error: InputError | None) -> None:
        job.state, job.error, job.fraction = state, error, None
        job.ended.set()


def _cancelled() -> InputError:
    return InputError(Problem("job", "to be finished", "cancelled"))
