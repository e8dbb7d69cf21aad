"""What differs between two definitions, as people read it."""

from __future__ import annotations

import pytest

from dkronpy import Http, Job, Shell, any_node, secret
from dkronpy.job import Run
from dkronpy.job.diff import FieldChange, differences, fields_of

JOB = Job(name="backup", schedule="@every 1h", run=Shell("true"))


def test_equal_jobs_differ_in_nothing_also_where_one_is_typed_and_one_is_not() -> None:
    untyped = Run("shell", {"command": "true", "shell": True})
    assert differences(JOB, Job(name="backup", schedule="@every 1h", run=untyped)) == ()


def test_each_field_is_named_by_its_path_in_the_order_of_a_job() -> None:
    new = JOB.but(
        timeout="90s", schedule="@every 2h", on=any_node(role="web"), retry=3,
        run=Shell("false", env={"A": "1"}), metadata={"team": "bi"},
    )  # fmt: skip

    assert [(change.field, change.old, change.new) for change in differences(JOB, new)] == [
        ("run.config.command", "true", "false"),
        ("run.config.env.A", None, "1"),
        ("schedule", "@every 1h", "@every 2h"),
        ("on.tags.role", None, "web"),
        ("timeout", None, "1m30s"),
        ("retry.max", 0, 3),
        ("metadata.team", None, "bi"),
    ]


@pytest.mark.parametrize("name", ["password", "api_key", "Authorization", "client-secret", "access_token"])
def test_what_is_called_a_secret_is_masked_and_a_reference_to_one_is_not(name: str) -> None:
    old, new = Run("x", {"options": {name: "hunter2"}}), Run("x", {"options": {name: "hunter3"}})
    assert differences(Job(name="a", run=old), Job(name="a", run=new)) == (
        FieldChange(field=f"run.config.options.{name}", old="***", new="***"),
    )
    reference = Run("x", {"options": {name: {"secret": "crm/token"}}})
    (change,) = differences(Job(name="a", run=old), Job(name="a", run=reference))
    assert (change.old, change.new) == ("***", {"secret": "crm/token"})


def test_the_order_of_processors_is_part_of_a_job() -> None:
    old, new = (Job(name="a", run=Run("x"), processors={key: {} for key in names}) for names in ("ab", "ba"))
    assert differences(old, new) == (FieldChange(field="processors", old=["a", "b"], new=["b", "a"]),)


def test_fields_that_have_their_default_are_left_out() -> None:
    assert fields_of(JOB) == {
        "name": "backup", "run.executor": "shell", "run.config.shell": True, "run.config.command": "true",
        "schedule": "@every 1h", "on.count": 1, "retry.max": 0,
    }  # fmt: skip


def test_references_in_typed_options_are_shown_as_what_they_are() -> None:
    job = Job(name="sync", run=Http("https://crm.example.com", headers={"Authorization": secret("crm/token")}))
    assert "hunter" not in str(fields_of(job))
