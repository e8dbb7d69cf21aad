"""Jobs of other schedulers, from files as they look; what could not be kept; and Python that makes the jobs again."""

from __future__ import annotations

import runpy
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy import CeleryTask, Docker, Http, Retry, Shell, on_node, secret
from dkronpy.config import load_jobs
from dkronpy.errors import ConfigError
from dkronpy.fleet.source import jobs_source
from dkronpy.importers.celery_beat import read_celery
from dkronpy.importers.crontab import is_system, name_of, read_crontab
from dkronpy.importers.dkron import read_dkron
from dkronpy.importers.imported import Imported
from dkronpy.importers.kubernetes import read_kubernetes
from dkronpy.job import Job
from dkronpy.job.json import untyped
from dkronpy.node import Target

FILES = Path(__file__).parent / "files"


def text(name: str) -> str:
    return (FILES / name).read_text()


def by_name(found: Imported) -> dict[str, Job]:
    return {job.name: job for job in found.jobs}


def report(found: Imported) -> list[str]:
    return [str(loss) for loss in found.losses]


def celery() -> Imported:
    return read_celery(runpy.run_path(str(FILES / "celery_app.py"))["app"])


def test_a_user_s_crontab() -> None:
    found = read_crontab(text("user.crontab"), zone="America/New_York")
    jobs = by_name(found)
    assert list(jobs) == ["backup", "artisan", "backup-2", "mail", "weekly"]
    backup = jobs["backup"]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    assert backup.run == Shell(("/bin/bash", "-c", "/usr/local/bin/backup.sh --all | tail -n 20"), env=path)
    assert (backup.schedule, backup.timezone, backup.doc) == ("30 2 * * 1-5", "America/New_York", "the nightly dump")
    assert (backup.owner_email, [rule.to for rule in backup.notify or ()]) == (
        "ops@example.com",
        ["mailto:ops@example.com"],
    )
    assert jobs["artisan"].schedule == "@daily"
    mail = jobs["mail"].run
    assert isinstance(mail, Shell)
    assert mail.payload == b"Dear boss,\n\nit is done.\n\n"
    assert mail.command[2] == 'mail -s "It is 100% done" boss@example.com'
    assert (jobs["weekly"].timezone, jobs["weekly"].notify) == ("Europe/Berlin", ())
    assert report(found) == [
        "line 5: cron mails ops@example.com whatever a job prints; we tell them of failures and recoveries only",
        "line 8: cron starts commands in the home folder of their user, an agent in its own: set cwd where it matters",
        "line 15: left out: @reboot has no counterpart, start it with the machine: /usr/local/bin/warm-up",
        "line 16: left out: schedule: minute: 61 is out of range 0-59 at column 1",
        "line 17: left out: after the schedule a command is missing: 5 4 * *      /bin/short",
    ]


def test_a_system_s_crontab() -> None:
    assert is_system(Path("x"), text("system.crontab"))
    assert is_system(Path("/etc/cron.d/anything"), "")
    assert not is_system(Path("x"), text("user.crontab"))
    found = read_crontab(text("system.crontab"), system=True, zone="UTC", on=on_node("web1"))
    first, second = found.jobs
    assert first.run == Shell("cd / && run-parts --report /etc/cron.hourly", user="root")
    assert second.run.user == "www-data"  # type: ignore[union-attr]
    assert first.on == on_node("web1")
    assert report(found)[0] == "line 4: RANDOM_DELAY=15 has no counterpart: write `~` for a minute to spread jobs"
    assert report(found)[-1] == f"line 6: to run as www-data the agent has to run as root (job {second.name})"


def test_a_crontab_of_a_machine_whose_zone_nobody_knows_says_so() -> None:
    found = read_crontab("HOME=/srv\n0 4 * * * /bin/x\n")
    assert found.jobs[0].run == Shell("/bin/x", cwd="/srv")
    assert "the zone of the machine is not known" in report(found)[0]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/bin/backup.sh --all", "backup"), ("cd /srv && ./sync.py", "sync"), ("A=1 nice -n 5 dump", "dump"),
        ("[ -x /bin/x ] && /bin/x", "x"), ("/bin/true", "cron"), ("$HOME/bin/run", "run"),
    ],
)  # fmt: skip
def test_a_job_is_called_after_the_program(command: str, name: str) -> None:
    assert name_of(command) == name


def test_dkron_s_jobs() -> None:
    found = read_dkron(text("dkron.json"))
    jobs = by_name(found)
    assert list(jobs) == ["backup", "report"]
    backup = jobs["backup"]
    assert backup.run == Shell("/usr/local/bin/backup.sh --all", shell=False, timeout="1h")
    assert (backup.on, backup.retry, backup.forbids_overlap) == (Target(tags={"role": "db:1"}), Retry(2), True)
    assert isinstance(jobs["report"].run, Http)
    assert tuple(jobs["report"].after) == ("backup",)
    assert report(found) == [
        "backup: its counters and history stay in Dkron (215 runs) (job backup)",
        "report: namespace is not known here and is not kept (job report)",
        report(found)[2],
        "orphan: left out: it follows Bad Name, which is not there",
    ]
    assert report(found)[2].startswith("Bad Name: left out: name: ")
    with pytest.raises(ConfigError, match="this is not JSON"):
        read_dkron("<html>")


def test_a_celery_app_s_schedule() -> None:
    found = celery()
    jobs = by_name(found)
    assert list(jobs) == ["close-day", "every-minute", "sweep", "odd"]
    close = jobs["close-day"]
    assert close.run == CeleryTask(
        "redis://broker.example.com:6379/3",
        "shop.tasks.close_day",
        ("today", 3),
        {"full": True},
        queue="night",
        priority=5,
    )
    assert (close.schedule, close.timezone) == ("30 2 * * mon-fri", "Europe/Berlin")
    assert close.start_deadline == timedelta(minutes=10)
    assert (jobs["every-minute"].schedule, jobs["sweep"].schedule) == ("@every 1m", "@every 5m")
    assert jobs["odd"].schedule == "0 3,4 1 * 1"
    assert report(found) == [
        "close-day: options.headers = {'x': 1} is not kept (job close-day)",
        "sweep: relative: runs are at the period's own moments, not from when beat was started (job sweep)",
        "odd: Celery wants day of month and day of week both, cron either: look at the schedule (job odd)",
        "ebb: left out: a schedule of type Tides has no counterpart",
        "no-task: left out: it names no task",
    ]
    with pytest.raises(ConfigError, match="there is no beat_schedule"):
        read_celery(object())


def test_a_broker_with_a_password_becomes_a_secret() -> None:
    app = runpy.run_path(str(FILES / "celery_app.py"))["app"]
    app.conf.broker_url = "redis://:hunter2@broker.example.com:6379/3"
    found = read_celery(app)
    assert "hunter2" not in str(found)
    assert found.jobs[1].run.broker == secret("celery/broker")  # type: ignore[union-attr]
    assert "give nodes that secret" in report(found)[0]


def test_kubernetes_cron_jobs() -> None:
    found = read_kubernetes(text("cronjobs.yaml"))
    export, tick = found.jobs
    assert export == Job(
        name="shop-nightly-export", schedule="30 2 * * 1-5", timezone="Europe/Berlin", concurrency="forbid",
        start_deadline="10m", timeout="1h", retry=Retry(2, delay="10s", cap="6m", jitter=False),
        metadata={"app": "shop", "tier": "batch"}, history_limit=3,
        run=Docker(
            "registry.example.com/shop/export:1.4", ("export --date yesterday",), ("/bin/sh", "-c"), cwd="/srv",
            env={"MODE": "full", "DB_URL": secret("shop-db/url")}, pull="always", mem_limit="512MB", cpus=0.5,
        ),
    )  # fmt: skip
    assert (tick.name, tick.enabled, tick.timezone, tick.retry.max) == ("tick", False, "UTC", 6)
    assert report(found) == [
        "shop/nightly-export: pod: serviceAccountName is not kept (job shop-nightly-export)",
        "shop/nightly-export: pod: volumes is not kept (job shop-nightly-export)",
        "shop/nightly-export: container sidecar is not kept: a job runs one (job shop-nightly-export)",
        "shop/nightly-export: container: volumeMounts is not kept (job shop-nightly-export)",
        "shop/nightly-export: DB_URL comes of the secret shop-db/url: give it to the nodes (job shop-nightly-export)",
        "shop/nightly-export: POD from fieldRef is not kept (job shop-nightly-export)",
        "tick: no timeZone: read in UTC, Kubernetes reads it in the zone of its controller (job tick)",
        "not-a-job: left out: a ConfigMap is no CronJob",
    ]


@pytest.mark.parametrize("wrong", ["[1, 2]", "a: [", "just words"])
def test_what_is_no_manifest_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_kubernetes(wrong)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "found",
    [
        read_crontab(text("user.crontab"), zone="America/New_York"),
        read_crontab(text("system.crontab"), system=True),
        read_dkron(text("dkron.json")),
        celery(),
        read_kubernetes(text("cronjobs.yaml")),
    ],
    ids=["user", "system", "dkron", "celery", "kubernetes"],
)
def test_the_python_makes_the_same_jobs_again(found: Imported, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("imported")
    (folder / "imported_jobs.py").write_text(jobs_source(found.jobs, "Imported.", found.notes()))
    loaded = load_jobs(folder)
    assert not loaded.problems
    assert list(map(untyped, loaded.jobs)) == list(map(untyped, found.jobs))
