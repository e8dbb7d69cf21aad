"""Runs one job here and now, in the foreground, without store, broker or agent: to try it before it is trusted."""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec

from dkronpy.agent.context import AttemptContext, Identity
from dkronpy.agent.launcher import HelperError, Launcher
from dkronpy.agent.output import AttemptOutput
from dkronpy.clock import SystemClock, from_ms
from dkronpy.errors import DkronpyError
from dkronpy.execution import Output, execution_id, run_id
from dkronpy.job import Job
from dkronpy.marks import MERGED
from dkronpy.masking import Masker
from dkronpy.plugins.executor import Command, Executor, ExecutorError, Exit, Outcome
from dkronpy.plugins.options import Options, resolve_secrets
from dkronpy.plugins.reach import Reach
from dkronpy.plugins.registry import executor_class, options_type
from dkronpy.plugins.template import Facts, job_facts, render_options
from dkronpy.secret import Secret
from dkronpy.store.output import StoreCommand


class Trial:
    """One attempt of *job* on this machine, as node *node*. *resolve* gives the values of its secrets.

    What the job prints goes to *write* as it comes, with secrets masked. Folders in *paths* are importable for what it
    calls.
    """

    def __init__(
        self,
        job: Job,
        resolve: Callable[[Secret], str],
        write: Callable[[bytes], None],
        *,
        node: str,
        grace: timedelta = timedelta(seconds=5),
        paths: tuple[str, ...] = (),
    ) -> None:
        self.job = job
        self.node = node
        self._resolve = resolve
        self._write = write
        self._grace = grace
        self._paths = paths
        self._context: AttemptContext | None = None
        due_ms = SystemClock().now_ms()
        run = run_id(job.name, due_ms, f"try{secrets.token_hex(2)}")
        self.facts = Facts(
            job=job_facts(job), due=from_ms(due_ms), node=node, attempt=1, run_id=run, execution_id=execution_id(run, 0)
        )

    def options(self) -> Options:
        """What would run: templates rendered, references to secrets left as they are.

        Raises InvalidError, PluginError.
        """
        job = self.job
        return render_options(options_type(job.executor), job.executor_config, self.facts, job=job.name)

    def run(self) -> Outcome:
        """Run it to its end.

        Raises InvalidError, PluginError for a job that cannot begin, and what *resolve* raises.
        """
        options, masked = resolve_secrets(self.options(), self._resolve)
        masker = Masker(masked)
        output = _Live(masker, self._write)
        executor: Executor[Any] = executor_class(self.job.executor)()
        launcher = Launcher()
        self._context = context = self._made(output, launcher)
        try:
            outcome = _executed(executor, options, context)
        finally:
            launcher.stop(timedelta(0))
            executor.close()
            output.end()
        return msgspec.structs.replace(
            outcome, message=masker.text(outcome.message), result=masker.value(outcome.result)
        )

    def cancel(self, reason: str = "cancelled") -> None:
        """End it early, from another thread or a handler of a signal."""
        if self._context is not None:
            self._context.cancel(reason)

    def _made(self, output: AttemptOutput, launcher: Launcher) -> AttemptContext:
        facts = self.facts
        identity = Identity(
            execution_id=facts.execution_id,
            run_id=facts.run_id,
            job=self.job.name,
            node=self.node,
            due=facts.due,
            attempt=1,
            token=1,
        )
        context = _Here(
            identity,
            output=output,
            launcher=launcher,
            timeout=min(filter(None, (self.job.timeout, self.job.run_timeout)), default=None),
            grace=self._grace,
            reach=Reach.everywhere(),
        )
        context.paths = self._paths
        return context


class _Here(AttemptContext):
    """The context of a trial: what is called may be imported from the configuration's own folder."""

    paths: tuple[str, ...] = ()

    def spawn(self, command: Command) -> Exit:
        return super().spawn(msgspec.structs.replace(command, sys_path=(*self.paths, *command.sys_path)))


class _Live(AttemptOutput):
    """Output that goes to whoever watches, at once, and to no store."""

    def __init__(self, masker: Masker, write: Callable[[bytes], None]) -> None:
        self._live_masker, self._live_write = masker, write
        self._live_lock = threading.Lock()

    def write(self, data: bytes, stream: int = MERGED) -> None:
        with self._live_lock:
            self._live_write(self._live_masker.feed(data))

    def flush(self) -> None:
        """Nothing gathers here."""

    def end(self) -> tuple[Output, list[StoreCommand]]:
        with self._live_lock:
            self._live_write(self._live_masker.end())
        return Output(), []


def _executed(executor: Executor[Any], options: Options, context: AttemptContext) -> Outcome:
    try:
        return executor.execute(options, context)
    except ExecutorError as error:
        return Outcome(success=False, reason=error.reason, message=str(error))
    except (HelperError, OSError, DkronpyError) as error:
        return Outcome(success=False, reason=context.reason or "executor_error", message=str(error))
    except Exception as error:  # noqa: BLE001 - a plugin's mistake is what somebody tries it for
        context.write(traceback.format_exc().encode())
        message = f"{type(error).__name__}: {error}"
        return Outcome(success=False, reason=context.reason or "executor_error", message=message)


@contextlib.contextmanager
def ended_by_signals(trial: Trial) -> Iterator[None]:
    """Ctrl-C and TERM end the job and what it started, and then this."""

    def end(_number: int, _frame: Any) -> None:
        threading.Thread(target=trial.cancel, daemon=True).start()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
