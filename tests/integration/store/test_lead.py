"""``lead``: one beat leads, under an epoch that only rises."""

from __future__ import annotations

from tests.integration.store.plans import Desk
from tests.support import wait_until


def test_the_first_to_ask_leads_and_the_second_hears_who_does(desk: Desk) -> None:
    first = desk.ledger.lead("beat-a", 10_000)
    second = desk.ledger.lead("beat-b", 10_000)

    assert (first.leading, first.epoch) == (True, 1)
    assert (second.leading, second.epoch, second.holder) == (False, 1, "beat-a")
    assert 0 < second.ttl_ms <= 10_000


def test_who_leads_keeps_its_epoch(desk: Desk) -> None:
    epochs = [desk.ledger.lead("beat-a", 10_000).epoch for _ in range(3)]

    assert epochs == [1, 1, 1]


def test_a_lead_that_is_given_up_goes_to_the_next_under_a_new_epoch_and_wakes_it(desk: Desk) -> None:
    desk.ledger.lead("beat-a", 10_000)
    subscription = desk.store.client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(desk.store.keys.wake)
    subscription.get_message(timeout=5)

    desk.ledger.lead("beat-a", 10_000, release=True)

    woken = wait_until(lambda: subscription.get_message(timeout=0.1), description="the others are woken")
    assert woken["data"] == b"released"
    assert desk.ledger.lead("beat-b", 10_000).epoch == 2
    subscription.close()


def test_a_lead_that_is_not_renewed_runs_out(desk: Desk) -> None:
    desk.ledger.lead("beat-a", 50)

    wait_until(lambda: desk.ledger.lead("beat-b", 10_000).leading, description="the lead runs out")

    assert desk.ledger.lead("beat-b", 10_000).epoch == 2
    assert not desk.ledger.lead("beat-a", 10_000).leading


def test_only_the_holder_can_give_the_lead_up(desk: Desk) -> None:
    desk.ledger.lead("beat-a", 10_000)

    desk.ledger.lead("beat-b", 10_000, release=True)

    assert desk.ledger.lead("beat-c", 10_000).holder == "beat-a"
