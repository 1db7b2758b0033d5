"""Every row ends as exactly one thing, and the figures add up at every moment."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.accounting import PARKED_MAX, STILL_OUT, Account, Ended
from cli.following import Fate, Outcome
from cli.mapping import Refused

SAID = datetime(2025, 10, 9, 1, 0, tzinfo=UTC)
ENDS = {
    Fate.REGISTERED: {"complaints": 1, "linked": 0, "refused": []},
    Fate.LINKED: {"complaints": 0, "linked": 1, "refused": []},
    Fate.REFUSED: {"complaints": 0, "linked": 0, "refused": [{"row": 1, "reason": "why"}]},
}


def out(*messages: str) -> Account:
    account = Account()
    for row, message in enumerate(messages, start=1):
        account.publish(row, message, SAID, now_s=10.0 + row)
    return account


@pytest.mark.parametrize("fate", list(ENDS))
def test_an_outcome_ends_its_row_once(fate: Fate) -> None:
    account = out("a")
    told = Outcome(fate, message="a", reason="why")
    assert account.settle(told, 20.0) is True
    assert account.settle(told, 21.0) is False
    assert account.told() == {"rows": 1, **ENDS[fate]}
    assert account.out == 0
    assert account.all_well is (fate is not Fate.REFUSED)


def test_outcomes_of_messages_that_are_not_ours_change_nothing() -> None:
    account = out("a")
    assert account.settle(Outcome(Fate.REGISTERED, message="b"), 20.0) is False
    assert (account.out, account.complaints, account.settled_s) == (1, 0, 0.0)


def test_rows_refused_by_the_mapping_and_by_intake_are_told_in_the_files_order() -> None:
    account = Account()
    account.publish(1, "a", SAID, 1.0)
    account.refuse(Refused(2, "no words"))
    account.settle(Outcome(Fate.REFUSED, message="a", reason="malformed: too long"), 2.0)
    assert account.told()["refused"] == [
        {"row": 1, "reason": "malformed: too long"},
        {"row": 2, "reason": "no words"},
    ]


def test_each_row_is_told_once_when_it_has_ended() -> None:
    ended: list[Ended] = []
    account = Account(ended.append)
    for row, message in enumerate("abcd", start=1):
        account.publish(row, message, SAID, now_s=1.0)
    account.refuse(Refused(5, "no words", "e"))
    for _ in range(2):
        account.settle(Outcome(Fate.IMPORTED, message="a", complaint="c-1"), 2.0)
        account.settle(Outcome(Fate.REFUSED, message="b", reason="malformed: why"), 2.0)
    account.undelivered("c", "KafkaTimeoutError")
    account.give_up()
    assert ended == [
        Ended(5, "e", "refused", reason="no words"),
        Ended(1, "a", "imported", "c-1"),
        Ended(2, "b", "refused", reason="malformed: why"),
        Ended(3, "c", "no outcome", reason="Kafka did not take it: KafkaTimeoutError"),
        Ended(4, "d", "no outcome", reason=STILL_OUT),
    ]


@pytest.mark.parametrize("log_first", [False, True])
def test_a_parked_record_is_found_by_its_place_in_either_order(log_first: bool) -> None:
    account = out("a", "b")
    parked = Outcome(Fate.PARKED, place="c/3/7", reason="parked (bad-json): mend it")
    if log_first:
        assert account.settle(parked, 20.0) is False
        account.lies_at("a", "c/3/7")
    else:
        account.lies_at("a", "c/3/7")
        assert account.settle(parked, 20.0) is True
    assert account.told()["unaccounted"] == [{"row": 1, "reason": "parked (bad-json): mend it"}]
    assert account.out == 1
    assert not account.all_well


def test_what_nobody_told_of_is_left_without_outcome_and_not_called_refused() -> None:
    account = out("a", "b")
    account.settle(Outcome(Fate.REGISTERED, message="b"), 20.0)
    account.give_up()
    assert account.told() == {
        "rows": 2,
        "complaints": 1,
        "linked": 0,
        "refused": [],
        "unaccounted": [{"row": 1, "reason": STILL_OUT}],
    }


def test_what_kafka_did_not_take_is_said() -> None:
    account = out("a")
    account.undelivered("a", "MessageSizeTooLargeError")
    account.undelivered("a", "again")
    reason = "Kafka did not take it: MessageSizeTooLargeError"
    assert account.told()["unaccounted"] == [{"row": 1, "reason": reason}]


def test_an_outcome_older_than_the_sending_was_known_before() -> None:
    account = out("a", "b", "c")
    before = SAID - timedelta(microseconds=1)
    account.settle(Outcome(Fate.REGISTERED, message="a", at=before), 20.0)
    account.settle(Outcome(Fate.REGISTERED, message="b", at=SAID), 20.0)
    account.settle(Outcome(Fate.REGISTERED, message="c"), 20.0)
    assert (account.complaints, account.known) == (3, 1)


def test_the_longest_silent_are_asked_about_first_and_so_many_at_most() -> None:
    account = out("a", "b", "c")
    assert account.waiting(1.0, now_s=13.5, limit=10) == ["a", "b"]
    assert account.waiting(1.0, now_s=99.0, limit=2) == ["a", "b"]
    assert account.waiting(1.0, now_s=11.0, limit=10) == []


def test_memory_is_bounded_whatever_is_settled_or_parked() -> None:
    account = Account()
    for row in range(50):
        account.publish(row, f"m{row}", SAID, 1.0)
        account.lies_at(f"m{row}", f"c/0/{row}")
        account.settle(Outcome(Fate.REGISTERED, message=f"m{row}"), 2.0)
    assert not account._by_place
    for offset in range(PARKED_MAX + 5):
        account.settle(Outcome(Fate.PARKED, place=f"d/0/{offset}", reason="x"), 2.0)
    assert len(account._parked) == PARKED_MAX


def test_figures_that_do_not_add_up_are_never_told() -> None:
    account = out("a")
    account.complaints += 1
    with pytest.raises(AssertionError, match="ended twice"):
        account.told()
