"""Who can write to the store cannot run programs of his own on the nodes: every change of a definition is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dkronpy import any_node
from dkronpy.errors import ConfigError
from dkronpy.job import Job, Run
from dkronpy.job.json import decode_definition, encode_definition
from dkronpy.signing import SignatureError, Signer, Verifier, split
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs
from dkronpy.store.keys import Keys
from tests.acceptance.fleet import Fleet
from tests.security.conftest import key_pair
from tests.support import StoreServer

BODY = b'{"name":"report","command":"./report.sh"}'


def shell(command: str, **options: str) -> Run:
    return Run("shell", {"command": command, "shell": "true", **options})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("keys")
    made: dict[str, tuple[Path, Path]] = {}
    return lambda name: made.setdefault(name, key_pair(folder, name)) if name not in made else made[name]


@pytest.fixture
def signer(keys: Callable[[str], tuple[Path, Path]]) -> Signer:
    return Signer.load(keys("one")[0])


# The signature itself


def test_every_byte_counts(signer: Signer) -> None:
    sealed = signer.seal(BODY, "report", 3)
    verifier = signer.verifier()
    verifier.check(sealed, "report", 3)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SignatureError):
            verifier.check(bytes(changed), "report", 3)
    for cut in range(1, len(sealed)):
        with pytest.raises(SignatureError):
            verifier.check(sealed[:cut], "report", 3)


def test_a_definition_is_that_of_one_job_and_one_revision(signer: Signer) -> None:
    sealed = signer.seal(BODY, "report", 3)
    for job, revision in (("repor", 3), ("reports", 3), ("report", 2), ("report", 4), ("report", 33), ("report3", 3)):
        with pytest.raises(SignatureError, match="does not fit"):
            signer.verifier().check(sealed, job, revision)


def test_nothing_is_run_unsigned_or_signed_by_a_stranger(
    signer: Signer, keys: Callable[[str], tuple[Path, Path]]
) -> None:
    verifier = signer.verifier()
    with pytest.raises(SignatureError, match="'report' is not signed"):
        verifier.check(BODY, "report", 3)
    with pytest.raises(SignatureError, match="key that this node does not trust"):
        verifier.check(Signer.load(keys("stranger")[0]).seal(BODY, "report", 3), "report", 3)


def test_keys_are_changed_without_a_gap(keys: Callable[[str], tuple[Path, Path]]) -> None:
    old, new = (Signer.load(keys(name)[0]) for name in ("one", "two"))
    both = Verifier.load(f"{keys('one')[1]}, {keys('two')[1]}")
    for signer in (old, new):
        both.check(signer.seal(BODY, "report", 1), "report", 1)
    with pytest.raises(SignatureError):
        Verifier.load(str(keys("two")[1])).check(old.seal(BODY, "report", 1), "report", 1)


def test_a_folder_of_keys(keys: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no"):
        Verifier.load(str(tmp_path))
    (tmp_path / "a.pub").write_bytes(keys("one")[1].read_bytes())
    assert list(Verifier.load(str(tmp_path)).keys) == [Signer.load(keys("one")[0]).id]


def test_keys_that_cannot_be_used_are_named(keys: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    private, public = keys("one")
    for load, path, said in (
        (Signer.load, tmp_path / "none.pem", "none.pem cannot be read: No such file"),
        (Signer.load, public, "holds no private key"),
        (Verifier.load, tmp_path / "none.pub", "none.pub cannot be read"),
        (Verifier.load, private, "holds no public key"),
    ):
        with pytest.raises(ConfigError, match=said):
            load(str(path))
    copy = tmp_path / "open.pem"
    copy.write_bytes(private.read_bytes())
    copy.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by others") as error:
        Signer.load(copy)
    assert error.value.hint == f"chmod 600 {copy}"


# The job store


@pytest.fixture(scope="module")
def own_store() -> Iterator[Store]:
    with StoreServer(kind="valkey") as server:
        made = Store(server.url, Keys())
        yield made
        made.close()


def stored(store: Store, name: str) -> tuple[bytes, int]:
    body, revision = store.client.hmget(store.keys.entry(name), "job", "rev")
    return body, int(revision)


def test_what_is_saved_is_signed_as_the_revision_that_it_becomes(own_store: Store, signer: Signer) -> None:
    jobs = Jobs(own_store, signer, only_signed=True)
    assert (jobs.save(Job(name="old", schedule="@manually", run=shell("true"))).what, jobs.delete("old")) == (
        "created",
        True,
    )
    job = Job(name="signed", schedule="@manually", run=shell("true"))
    first = jobs.save(job)
    assert first.what == "created"
    assert (jobs.save(job).what, jobs.save(job).revision) == ("unchanged", first.revision)
    changed = jobs.save(Job(name="signed", schedule="@manually", run=shell("false")))
    assert (changed.what, changed.revision) == ("changed", first.revision + 1)
    body, revision = stored(own_store, "signed")
    signer.verifier().check(body, "signed", revision)
    earlier = own_store.client.get(own_store.keys.definition("signed", first.revision))
    assert earlier is not None
    signer.verifier().check(earlier, "signed", first.revision)
    assert decode_definition(body).executor_config == {"command": "false", "shell": "true"}
    assert jobs.signed("signed")


def test_another_key_signs_anew(own_store: Store, keys: Callable[[str], tuple[Path, Path]]) -> None:
    old, new = (Jobs(own_store, Signer.load(keys(name)[0])) for name in ("one", "two"))
    job = Job(name="rotated", schedule="@manually", run=shell("true"))
    revision = old.save(job).revision
    assert not new.signed("rotated")
    again = new.save(job)
    assert (again.what, again.revision) == ("changed", revision + 1)
    assert new.signed("rotated")


def test_who_has_no_key_can_neither_save_nor_take_a_signature_away(own_store: Store, signer: Signer) -> None:
    job = Job(name="kept", schedule="@manually", run=shell("true"))
    Jobs(own_store, signer).save(job)
    before = stored(own_store, "kept")
    for keyless in (Jobs(own_store), Jobs(own_store, only_signed=True)):
        assert keyless.save(job).what == "unchanged"
        with pytest.raises(ConfigError, match="'kept' cannot be saved: definitions are signed here"):
            keyless.save(Job(name="kept", schedule="@manually", run=shell("false")))
    assert stored(own_store, "kept") == before
    with pytest.raises(ConfigError, match="definitions are signed here"):
        Jobs(own_store, only_signed=True).save(Job(name="new", schedule="@manually", run=shell("true")))
    assert Jobs(own_store).save(Job(name="plain", schedule="@manually", run=shell("true"))).what == "created"


# A live node


def test_what_was_signed_runs(guarded: Fleet) -> None:
    guarded.save(Job(name="honest", schedule="@manually", run=shell("echo honest")))
    run, (execution,) = guarded.run_now("honest")
    assert (run.state, guarded.output(execution)) == ("success", "honest\n")


@pytest.mark.parametrize("attack", ["another command", "no signature", "another job's", "an earlier revision"])
def test_a_writer_of_the_store_runs_nothing_of_his_own(guarded: Fleet, attack: str, tmp_path: Path) -> None:
    name, trace = "victim-of-" + "".join(letter for letter in attack if letter.isalpha()), tmp_path / "ran"
    evil = Job(name=name, schedule="@manually", run=shell(f"touch {trace}"))
    if attack == "an earlier revision":
        guarded.save(evil)  # it was ours once, and we thought better of it
    guarded.save(Job(name=name, schedule="@manually", run=shell("true")))
    client = guarded.server.client()
    entry = guarded.client.deployment.store.keys.entry(name)
    body, revision = client.hmget(entry, "job", "rev")
    signature = split(body)[1]
    forged = {
        "another command": encode_definition(evil) + b"\n" + signature,
        "no signature": encode_definition(evil),
        "another job's": _signed_elsewhere(guarded, evil),
        "an earlier revision": client.get(guarded.client.deployment.store.keys.definition(name, int(revision) - 1)),
    }[attack]
    client.hset(entry, "job", forged)
    client.close()
    run, (execution,) = guarded.run_now(name)
    assert (run.state, execution.reason) == ("failed", "bad_signature")
    assert name in execution.message
    assert len(execution.attempts) == 1, "another try would be refused as well"
    assert not trace.exists()


def _signed_elsewhere(fleet: Fleet, evil: Job) -> bytes:
    """The definition of a job that somebody may save and may not call ``victim``, as it is signed."""
    other = Job(name="other", schedule="@manually", run=evil.run)
    fleet.save(other)
    body: bytes = fleet.client.deployment.store.client.hget(fleet.client.deployment.store.keys.entry("other"), "job")
    return body


def test_a_job_does_not_run_on_a_node_that_it_was_not_signed_for(guarded: Fleet, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    guarded.save(
        Job(name="elsewhere", schedule="@manually", run=shell(f"touch {trace}"), on=any_node(role="db"), retry=3)
    )
    run_id = guarded.client.run_job("elsewhere").run.id
    store = guarded.client.deployment.store
    execution = f"{run_id}.0"
    store.client.hset(store.keys.execution(execution), mapping={"node": "n1"})
    store.client.zadd(store.keys.open, {execution: 0})  # the leader looks at once, and sends it to n1
    _, (ended,) = guarded.ended(run_id)
    assert (ended.state, ended.reason) == ("failed", "bad_signature")
    assert "none of the targets that were signed" in ended.message
    assert not trace.exists()
