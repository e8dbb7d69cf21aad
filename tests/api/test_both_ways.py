"""Every command on the store and by way of a server: the same answers, or one line that says why not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dkronpy.api.services import Services
from dkronpy.cli.main import COMMANDS, cli
from tests.api.site import Site, site_on
from tests.support import StoreServer

STORE = {"up", "beat", "agent", "server", "flower", "restore", "verify", "keys sign", "keys check"}
"""What works on the store alone, as docs/cli.md says."""
OWN = {"doctor", "simulate", "config show", "try", "completion", "certs ca", "certs issue", "executor new", "keys new"}
"""What looks at this machine, or makes something random or slow; the others are compared."""
SCRIPT = """
    apply {jobs} --why because
    plan {jobs}
    status
    job list -o name
    job list -o json
    job show {job}
    job show {job} -o json
    job toggle {job} --why quiet
    job toggle {job}
    job history {job}
    job diff {job} 1 2
    job rollback {job} 2 --why mistake
    next {job} --count 3 --after 2026-11-01
    explain {job}
    lint --stored
    lint {jobs}
    validate {jobs}
    run {job} --wait
    run {failing} --wait
    run {job} --param days=3
    run nothing
    logs {job}
    runs list --job {job}
    runs list --job {job} -o json
    runs show {run}
    runs tree {run}
    runs rerun {run}
    runs cancel {run}
    why {job}
    why {job} --at 2026-11-01T00:00Z
    audit {job} --from -1h
    lateness {job}
    lateness
    forecast --days 1
    backfill {old} --from {window} --to {until} --dry-run
    backfill {old} --from {window} --to {until} --max-active 3
    backfill {old} --from {window} --to {until}
    pause {job} --reason maintenance --until 2h
    pause {job} --until yesterday-or-so
    pauses
    resume {job}
    resume {job}
    pauses --ended -o json
    pool set {pool} 3
    pool list
    pool list -o json
    pool delete {pool}
    pool delete {pool}
    calendar save {calendar} {days} --doc holidays
    calendar list
    calendar show {calendar}
    calendar show {calendar} -o json
    calendar delete {calendar} --yes
    calendar delete {calendar} --yes
    node list
    node list -o wide
    node drain n1
    node undrain n1
    node drain nothing
    node rename nothing n1
    node forget nothing --yes
    notify list
    notify sent
    notify test hook
    notify test nothing
    policy save {policy} {rules}
    policy list
    policy show {policy}
    policy delete {policy} --yes
    policy show {policy}
    token create {token} --role viewer --expires 90d
    token create {token} --role viewer
    token create {token}x --role viewer --policy none
    token list
    token list --all -o wide
    token revoke {token} --yes
    token revoke {token} --yes
    export {job}
    export
    adopt {adopted} --crontab {crontab} --zone UTC
    import crontab {crontab}
    import dkron {dkron}
    import celery-beat {beat}
    import kubernetes {kubernetes}
    executor list
    executor show shell
    config acl viewer
    keys public {nothing}
    backup {backup}
    version
    exec --job {job} -- echo told
    job delete {job} --yes --why done
    job delete {job} --yes
    job show {job}
    runs watch --job {failing} --limit 0
"""
JOBS = """from dkronpy import Job, Run

calm = Job(name="{job}", schedule="@manually", run=Run("shell", {{"command": "echo hello"}}), owner="me")
bad = Job(name="{failing}", schedule="@manually", run=Run("shell", {{"command": "false"}}))
old = Job(name="{old}", schedule="0 0 1 1 *", run=Run("shell", {{"command": "true"}}))
"""
UNIT = r"\d+(?:\.\d+)? ?(?:ms|s|min|m|h|d)(?![a-z])"
CHANGING = [
    (r"(?<=Z)-(exec)?[0-9a-f]{6}\b", "-RANDOM"),
    (r"(redis|http)://127\.0\.0\.1:\d+(/0)?", "ADDRESS"),
    (r"\d+/\d+ ended.*\n", ""),
    (r"(?m)^(n1 .*?) \d{2,} ", r"\1 PID "),
    (r"(?m)^(n1 +up +- +)\d+ ", r"\1RUNNING "),
    (r"(?m)^(root +active +admin +- +-) +(-|now|[\w. ]+? ago)", r"\1 USED"),
    (r"root \((command line|exec on \w+)\)|exec on \w+", "root"),
    (r"\w+:\d{3,}\b", "HOLDER"),
    (r'("took": )\d+', r"\1N"),
    (r"dkronpy_[\w-]{43}", "SECRET"),
    (r"\b[0-9a-f]{8,64}\b", "HASH"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?( UTC)?", "TIME"),
    (r"\b\d\d:\d\d(:\d\d)?(\.\d+)?\b", "TIME"),
    (rf"(\b(?:in|after|for|took) )?\b{UNIT}(?: ?{UNIT})*( ago)?", "SPAN"),
    (r"\bnow\b", "SPAN"),
    (r"\b\d{13}\b", "MS"),
    (r'("(token|pid|revision|applied|load|memory|running)": )[\d.]+', r"\1N"),
    (r"[ ─━]+", " "),
]
"""What differs from one time to the next, and what it is told as."""


class Hook:
    """Takes whatever is posted."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def leaves() -> Iterator[str]:
    """Every command that does something."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            yield from (f"{name} {verb}" for verb in command.commands)
        else:
            yield name


def name_of(line: str) -> str:
    words = line.split()
    return next(name for name in (" ".join(words[:2]), words[0]) if name in set(leaves()))


@dataclass
class Way:
    """One way to the deployment, with names and files of its own."""

    site: Site
    folder: Path
    environment: dict[str, str]
    places: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Write the files that the script speaks of."""
        self.folder.mkdir()
        names = ("job", "failing", "old", "pool", "calendar", "policy", "token", "adopted")
        self.places = {one: f"{one}-mine" for one in names}
        files = {
            "jobs": JOBS.format(**self.places), "days": "12-25\n2026-04-03\n",
            "rules": '{"path": {"/v1/jobs": {"capabilities": ["list"]}}}',
            "crontab": f"30 2 * * * dkronpy exec --job {self.places['adopted']} -- /bin/true\n",
            "dkron": '[{"name": "from-dkron", "schedule": "@daily", "executor": "shell", "executor_config": {}}]',
            "beat": "beat_schedule = {'tidy': {'task': 'tidy', 'schedule': 30.0}}\n",
            "kubernetes": "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: k}\nspec: {schedule: '0 * * * *'}\n",
        }  # fmt: skip
        for kind, text in files.items():
            suffix = {"jobs": ".py", "rules": ".json", "dkron": ".json", "kubernetes": ".yaml", "beat": ".py"}
            path = self.folder / f"{kind}{suffix.get(kind, '')}"
            path.write_text(text)
            self.places[kind] = str(path)
        self.places |= {"backup": str(self.folder / "backup.gz"), "nothing": str(self.folder / "nothing")}
        self.places |= {"window": "2019-12-31T00:00Z", "until": "2023-01-02T00:00Z"}

    def say(self, line: str) -> str:
        """What a command of the script answers, and how it ends."""
        arguments = [word.format(**self.places) for word in line.split()]
        done = CliRunner().invoke(cli, arguments, env=self.environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), (line, done.exception)
        assert "Traceback" not in done.output, line
        return f"{done.exit_code}\n{self.plain(done.output)}"

    def plain(self, text: str) -> str:
        """*text* without what is this way's own, and without moments, spans and random ids."""
        for key, value in sorted(self.places.items(), key=lambda pair: -len(pair[1])):
            text = text.replace(value, key.upper())
        return lasting(text.replace(str(self.folder), "FOLDER"))


def lasting(text: str) -> str:
    """*text* without what differs from one time to the next."""
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


@contextmanager
def deployment(folder: Path, hook: str, *, by_server: bool) -> Iterator[Way]:
    """A deployment of its own with a channel and an admin, and one way to it."""
    config = folder / "config"
    config.mkdir()
    (config / "settings.py").write_text(f'channels = {{"hook": "{hook}"}}\n')
    with StoreServer() as server, site_on(server, folder, {"DKRONPY_CONFIG": str(config)}) as site:
        site.beat()
        site.agent("n1")
        site.leader_pid()
        secret = Services(site.client).tokens.create("root", role="admin")[1]
        environment = {"TZ": "UTC", "DKRONPY_CONFIG": str(config), "DKRONPY_DATA_DIR": str(folder / "data")}
        environment |= {"DKRONPY_STORE_URL": "", "DKRONPY_API_URL": "", "DKRONPY_API_TOKEN": ""}
        if by_server:
            environment |= {"DKRONPY_API_URL": site.serve()[1].url, "DKRONPY_API_TOKEN": secret}
        else:
            environment["DKRONPY_STORE_URL"] = server.url
        way = Way(site, folder / "mine", environment)
        way.prepare()
        yield way


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Way, Way]]:
    """Two deployments that are alike, one that is reached on its store, and one by way of its server."""
    hook = Hook()
    with (
        deployment(tmp_path_factory.mktemp("here"), hook.url, by_server=False) as here,
        deployment(tmp_path_factory.mktemp("there"), hook.url, by_server=True) as there,
    ):
        yield here, there
    hook.server.shutdown()
    hook.server.server_close()


def answers(way: Way) -> dict[str, str]:
    """What each command of the script says by one way."""
    found = {}
    for line in SCRIPT.split("\n"):
        if not (line := line.strip()):
            continue
        found[line] = way.say(line)
        if line.startswith("run {failing}"):
            (run,) = way.site.client.runs(job=way.places["failing"], limit=1)
            way.places["run"] = run.id
    return found


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("n1 seen now", "n1 seen 1 min 3 s ago"),
        ("expires in 90 d", "expires in 89 d 23 h"),
        ("until in 2 h, by root", "until in 1 h 59 min, by root"),
        ("it took 59 ms", "it took 1m2.5s"),
        ("root active admin - - now", "root active admin - - 1 min 3 s ago"),
    ],
)
def test_how_long_ago_something_was_is_no_difference(earlier: str, later: str) -> None:
    assert lasting(earlier) == lasting(later)
    assert lasting("until in 2 h, by root") == "until SPAN, by root"


def test_the_script_has_every_command() -> None:
    said = {name_of(line) for line in SCRIPT.splitlines() if line.strip()}
    assert said | STORE | OWN == set(leaves())
    assert not said & STORE


def test_every_command_says_the_same_by_way_of_a_server_as_on_the_store(ways: tuple[Way, Way]) -> None:
    here, there = map(answers, ways)
    different = [f"{line}\nHERE {here[line]}\nTHERE {there[line]}" for line in here if here[line] != there[line]]
    assert not different, "\n\n".join(different)
    assert {line.split()[0] for line, said in here.items() if said.startswith("0")} > {"apply", "token", "backfill"}


def test_what_works_on_the_store_alone_says_so_in_one_line(ways: tuple[Way, Way]) -> None:
    _, remote = ways
    for line in (
        "beat", "agent", "server --port 0", "flower", "restore {backup} --yes", "verify --yes", "keys sign --yes",
        "keys check",
    ):  # fmt: skip
        done = remote.say(line)
        assert "needs the store itself" in done, (line, done)
        assert len([line for line in done.splitlines() if line.startswith("error")]) == 1, done


def test_what_looks_at_this_machine_works_by_way_of_a_server_all_the_same(ways: tuple[Way, Way]) -> None:
    _, remote = ways
    assert "needs the store itself" in remote.say("doctor")
    assert remote.say("simulate --from 2026-11-01T00:00Z --to 2026-11-01T01:00Z").startswith("0")
    assert "api_url" in remote.say("config show")
    assert remote.say("try {job} --dry-run --config {jobs}").startswith("0")
