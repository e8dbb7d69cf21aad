"""What every executor has to keep, as tests: inherit ``ExecutorContract``, say what your executor needs, run pytest."""

# ruff: noqa: S101 - these are tests, only that others run them
from __future__ import annotations

import gc
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dkronpy.plugins.executor import Executor, Outcome
from dkronpy.plugins.options import Options, describe, resolve_secrets
from dkronpy.plugins.registry import executor_class, executor_names, options_type
from dkronpy.plugins.template import has_templates
from dkronpy.secret import Secret, secret
from dkronpy.testing.harness import ExecutorHarness

REASONS = frozenset(
    {"exit", "signal", "timeout", "oom", "cancelled", "lease_lost_killed", "executor_error", "shutdown"}
)
REPEATS = "DKRONPY_CONTRACT_REPEATS"
"""The environment variable that says how often to repeat attempts, for a long look at leaks."""
SECRET_NAME = "contract/secret"  # noqa: S105 - a name
SECRET_VALUE = "s3cr3t/with+signs=and ümlaut"  # noqa: S105 - it guards nothing
_NUMBERS = itertools.count(1)


class ExecutorContract:
    """The tests of an executor that need no knowledge of it beyond what the attributes say.

    A subclass gives ``executor`` (the class) and these methods, each of which may take pytest fixtures only through
    ``self``, filled in by an autouse fixture of the subclass:

    - ``good()``: options of an attempt that succeeds in a moment;
    - ``failing()``: options of one that fails by itself, at once;
    - ``slow()``: options of one that would take a minute or more; None where there is no such thing;
    - ``with_secret(reference)``: options of an attempt that succeeds, uses the secret, and prints it if it can.

    ``make()`` makes the executor, for one whose usual waits are too long for a test. ``started(harness)`` says whether
    a slow attempt is under way; by default it is after it has printed something or a tenth of a second has gone by.
    ``repeats`` is how often an attempt is repeated to look for leaks, ``grace`` how long, in seconds, an end may take
    after it was asked for. Every attempt is that of an execution of its own.
    """

    executor: ClassVar[type[Executor[Any]]]
    repeats: ClassVar[int] = 100
    grace: ClassVar[float] = 10.0

    def good(self) -> Options:
        """Options of an attempt that succeeds in a moment."""
        raise TypeError(f"{type(self).__name__} does not give good()")

    def failing(self) -> Options:
        """Options of an attempt that fails by itself, at once."""
        raise TypeError(f"{type(self).__name__} does not give failing()")

    def slow(self) -> Options | None:
        """Options of an attempt that would take a minute or more."""
        raise TypeError(f"{type(self).__name__} does not give slow()")

    def with_secret(self, reference: Secret) -> Options:
        """Options of an attempt that uses the secret *reference*."""
        raise TypeError(f"{type(self).__name__} does not give with_secret()")

    def make(self) -> Executor[Any]:
        """A new executor."""
        return self.executor()

    def started(self, harness: ExecutorHarness) -> bool:
        """Whether a slow attempt is under way, asked again and again."""
        return harness.output_size > 0 or (harness.remaining() or 0) < 59.9

    @pytest.fixture
    def contract_harness(self) -> Iterator[ExecutorHarness]:
        """A harness that knows the secret of the contract; attempts have a minute."""
        with self._harness(timedelta(minutes=1), secrets={SECRET_NAME: SECRET_VALUE}) as harness:
            yield harness

    @pytest.fixture
    def instance(self) -> Iterator[Executor[Any]]:
        """An executor of the test's own."""
        made = self.make()
        yield made
        made.close()

    # Registration and options

    def test_contract_it_is_registered(self) -> None:
        """An entry point of the group ``dkronpy.executors`` leads to the class, under the name its options have."""
        name = self.executor.options.plugin
        assert name in executor_names(), f"no entry point {name!r} in the group dkronpy.executors"
        assert executor_class(name) is self.executor
        assert options_type(name) is self.executor.options

    def test_contract_every_option_is_documented(self) -> None:
        """``dkronpy executor show`` has a sentence on every option, and on the executor."""
        assert (self.executor.__doc__ or "").strip()
        assert [entry.name for entry in describe(self.executor.options) if not entry.description] == []

    def test_contract_options_survive_the_store(self) -> None:
        """What is saved as JSON is read back as the same options."""
        for options in (self.good(), self.failing(), self.with_secret(secret(SECRET_NAME))):
            kind = type(options)
            assert options.problems() == []
            assert kind.from_config(options.to_config()) == options
            assert has_templates(options) == has_templates(options.to_config())

    # Outcomes

    def test_contract_success(self, contract_harness: ExecutorHarness, instance: Executor[Any]) -> None:
        """A good attempt is a success without a reason."""
        outcome, _ = contract_harness.run(instance, self.good())
        assert outcome.success, outcome
        assert outcome.reason == ""

    def test_contract_failure(self, contract_harness: ExecutorHarness, instance: Executor[Any]) -> None:
        """A failure has a reason code and one line that a person can read."""
        outcome, _ = contract_harness.run(instance, self.failing())
        check_failure(outcome)

    def test_contract_attempts_do_not_meet(self, contract_harness: ExecutorHarness, instance: Executor[Any]) -> None:
        """One instance serves all threads of a node: attempts beside one another all succeed."""
        outcomes: list[Outcome] = []

        def attempt() -> None:
            with self._harness(timedelta(minutes=1)) as harness:
                outcomes.append(harness.run(instance, self.good())[0])

        threads = [threading.Thread(target=attempt) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [outcome.success for outcome in outcomes] == [True] * 4, outcomes

    # The end

    def test_contract_timeout(self, instance: Executor[Any]) -> None:
        """The timeout of the job really ends the work, and says so."""
        if (options := self.slow()) is None:
            return
        with self._harness(timedelta(seconds=1)) as harness:
            began = time.monotonic()
            outcome, _ = harness.run(instance, options)
            took = time.monotonic() - began
        check_failure(outcome)
        assert outcome.reason == "timeout", outcome
        assert took < 1 + self.grace

    def test_contract_cancel(self, contract_harness: ExecutorHarness, instance: Executor[Any]) -> None:
        """A cancel from another thread ends the work at once, and says so."""
        if (options := self.slow()) is None:
            return
        results: list[Outcome] = []
        thread = threading.Thread(target=lambda: results.append(contract_harness.run(instance, options)[0]))
        thread.start()
        wait_for(lambda: self.started(contract_harness) or not thread.is_alive(), 20, "the attempt is under way")
        assert thread.is_alive(), f"it ended before it was cancelled: {results}"
        contract_harness.cancel("cancelled")
        thread.join(self.grace)
        assert not thread.is_alive(), f"it goes on {self.grace:g} s after the cancel"
        check_failure(results[0])
        assert results[0].reason == "cancelled", results[0]

    def test_contract_cancelled_before_it_began(
        self, contract_harness: ExecutorHarness, instance: Executor[Any]
    ) -> None:
        """A cancel that comes before the work does is not lost."""
        if (options := self.slow()) is None:
            return
        contract_harness.cancel("cancelled")
        began = time.monotonic()
        outcome, _ = contract_harness.run(instance, options)
        assert time.monotonic() - began < self.grace
        assert outcome.reason == "cancelled", outcome

    # Secrets

    def test_contract_secrets_do_not_leak(
        self, contract_harness: ExecutorHarness, instance: Executor[Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        """The value of a secret is not in the output, not in the outcome, not in the log, not in the stored options."""
        options = self.with_secret(secret(SECRET_NAME))
        assert SECRET_VALUE not in str(options.to_config())
        _, masked = resolve_secrets(options, lambda _: SECRET_VALUE)
        assert masked == {SECRET_VALUE}, "with_secret() did not put the secret into its options"
        with caplog.at_level("DEBUG", logger="dkronpy"):
            outcome, output = contract_harness.run(instance, options)
        assert outcome.success, outcome
        for text in (output.decode("utf-8", "replace"), outcome.message, str(outcome.result), caplog.text):
            assert SECRET_VALUE not in text, text

    # Leaks

    def test_contract_nothing_leaks(self, contract_harness: ExecutorHarness, instance: Executor[Any]) -> None:
        """After many attempts there are no more descriptors and no more threads than after a few."""
        for options in (self.good(), self.failing()):
            self._repeat(5, contract_harness, instance, options)
            few = held()
            self._repeat(int(os.environ.get(REPEATS, self.repeats)), contract_harness, instance, options)
            wait_for(lambda few=few: exceeds(held(), few) == "", 5, lambda few=few: exceeds(held(), few))  # type: ignore[misc]

    def test_contract_close_lets_go(self, contract_harness: ExecutorHarness) -> None:
        """``close`` gives back what the executor has kept; a new one works, and so does closing twice."""
        contract_harness.run(first := self.make(), self.good())
        first.close()
        before = held()
        for _ in range(5):
            contract_harness.next_execution()
            contract_harness.run(made := self.make(), self.good())
            made.close()
            made.close()
        wait_for(lambda: exceeds(held(), before) == "", 5, lambda: exceeds(held(), before))

    @staticmethod
    def _harness(timeout: timedelta, **settings: Any) -> ExecutorHarness:
        return ExecutorHarness(job=f"contract{next(_NUMBERS)}", timeout=timeout, **settings)

    @staticmethod
    def _repeat(times: int, harness: ExecutorHarness, instance: Executor[Any], options: Options) -> None:
        for _ in range(times):
            harness.next_execution()
            harness.run(instance, options)


def check_failure(outcome: Outcome) -> None:
    """A failure that people and the retry rule can use."""
    assert not outcome.success, outcome
    assert outcome.reason in REASONS, f"{outcome.reason!r} is no reason code of an attempt: {sorted(REASONS)}"
    assert outcome.message, "a failure needs a message"
    assert "\n" not in outcome.message
    assert "Traceback" not in outcome.message


def held() -> tuple[int, int]:
    """How many descriptors and threads this process has."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(list(Path("/proc/self/task").iterdir()))  # noqa: PTH208


def exceeds(now: tuple[int, int], before: tuple[int, int], slack: int = 4) -> str:
    """What has grown by more than chance explains; empty for nothing."""
    names = ("descriptors", "threads")
    grown = [f"{new - old} {name} more" for name, new, old in zip(names, now, before, strict=True) if new - old > slack]
    return ", ".join(grown)


def wait_for(predicate: Callable[[], object], seconds: float, what: str | Callable[[], str]) -> None:
    """Wait until *predicate* is true; AssertionError with *what* after so many seconds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come in {seconds:g} s: {what if isinstance(what, str) else what()}")
        pause.wait(0.01)
