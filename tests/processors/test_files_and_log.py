"""Output in files of its own, and in the agent's log."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from dkronpy.errors import InvalidError
from dkronpy.plugins.processor import ProcessorError
from tests.processors.conftest import INFO, SUCCESS, Process

NAME = "backup@2026-11-23T02:30:00.000Z.0.2.log"


def test_a_file_for_each_attempt(process: Process, tmp_path: Path) -> None:
    output = b"line\nbytes \xff\x00\n"
    assert process("files", output, {"log_dir": str(tmp_path)}) == str(tmp_path / NAME).encode()
    assert (tmp_path / NAME).read_bytes() == output
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o644
    first = msgspec.structs.replace(INFO, attempt=1)
    process("files", b"first", {"log_dir": str(tmp_path)}, first)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME.replace(".2.log", ".1.log"), NAME]


def test_forward_leaves_the_output(process: Process, tmp_path: Path) -> None:
    assert process("files", b"x", {"log_dir": str(tmp_path), "forward": "true"}) is None
    assert (tmp_path / NAME).read_bytes() == b"x"


def test_a_folder_of_ones_own_is_not_made(process: Process, tmp_path: Path) -> None:
    missing = tmp_path / "not-mounted"
    with pytest.raises(ProcessorError, match=r"cannot write .*not-mounted.*: No such file or directory"):
        process("files", b"x", {"log_dir": str(missing)})
    assert not missing.exists()


def test_no_name_leads_out_of_the_folder(process: Process, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    process("files", b"x", {"log_dir": str(tmp_path / "in")}, msgspec.structs.replace(INFO, execution_id="../../evil"))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_link_laid_where_the_file_is_written_is_not_followed(process: Process, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / f".{NAME}.part").symlink_to(victim)
    with pytest.raises(ProcessorError, match="cannot write"):
        process("files", b"x", {"log_dir": str(tmp_path)})
    assert not victim.exists()


def test_the_log_of_the_agent(process: Process, capfd: pytest.CaptureFixture[str]) -> None:
    first = "----- BEGIN OUTPUT job=backup execution=backup@2026-11-23T02:30:00.000Z.0 -----"
    text = f"{first}\nhello\n----- END OUTPUT -----\n"
    assert process("log", b"hello", {}, SUCCESS) == b"Output in dkron log"
    assert tuple(capfd.readouterr()) == (text, "")
    assert process("log", b"hello", {"forward": True}) is None
    assert tuple(capfd.readouterr()) == ("", text)


def test_options_are_checked_as_those_of_executors_are(process: Process) -> None:
    for config, said in (
        ({"log_dri": "/x"}, "did you mean 'log_dir'"),
        ({"forward": "yes"}, "not a truth value"),
        ({"timeout": 0}, "a duration above zero"),
    ):
        with pytest.raises(InvalidError, match=said):
            process("files", b"", config)
