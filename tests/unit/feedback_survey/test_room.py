"""Seed policies are sound, their schemas current; views are plain; the catalogue is followed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import CATALOGUE, DECODE, events_of
from contracts.feedback_survey import NoticeFact
from contracts.intake import Outcome
from contracts.values import ClearText, Language, SealedText, StaffRef, ValueTier
from libs.eventlog.envelope import Origin, decode, encode
from services.feedback_survey.domain.commands import RecordCall, TakeCall
from services.feedback_survey.domain.policy import FeedbackPolicy, compile_policy
from services.feedback_survey.domain.quiet import after_quiet_hours
from services.feedback_survey.domain.rows import DECIDERS
from services.feedback_survey.domain.texts import TEMPLATES, Texts, told_instant
from services.feedback_survey.reactions import HEARD
from services.feedback_survey.views import TABLES
from tests.unit.feedback_survey.heard import (
    ADDRESS,
    POLICY_DIR,
    SHANGHAI,
    answered,
    answered_by_work,
    at,
    clocks_started,
    closed,
    correspondent,
    hear,
    nothing,
    reply,
    seed,
)


@pytest.mark.parametrize(("name", "model"), [("feedback", FeedbackPolicy), ("texts", Texts)])
def test_the_policies_schemas_are_not_stale(
    name: str, model: type[FeedbackPolicy] | type[Texts]
) -> None:
    current = model.model_json_schema(by_alias=True)
    written = (POLICY_DIR / f"{name}.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == current


@pytest.mark.parametrize(
    "change",
    [
        {"survey": {"remind_after_hours": 72, "ends_after_hours": 72, "dissatisfied_up_to": 5}},
        {"survey": {"remind_after_hours": 0, "ends_after_hours": 72, "dissatisfied_up_to": 5}},
        {"quiet_hours": {"from": "25:00", "to": "09:00"}},
        {"surprise": 1},
    ],
)
def test_an_unsound_policy_never_comes_into_force(change: dict[str, object]) -> None:
    unsound = seed("feedback")
    unsound["content"] |= change
    with pytest.raises(ValueError, match="validation error"):
        compile_policy("feedback", unsound)


@pytest.mark.parametrize(
    ("template", "lines", "problem"),
    [
        ("survey", ["{score}"], "this notice does not know `score`"),
        ("survey", ["{receipt} {amount}"], "this notice does not know `amount`"),
        ("delay", ["{plan}"], "may come out empty"),
        ("survey", ["{receipt} {Receipt}"], "stray brace"),
        ("survey", [{"when": "weather", "text": "rain"}], "does not know `weather`"),
    ],
)
def test_a_template_that_could_fail_never_comes_into_force(
    template: str, lines: list[object], problem: str
) -> None:
    unsound = seed("texts")
    unsound["content"]["templates"][template]["en"] = lines
    with pytest.raises(ValueError, match=problem):
        compile_policy("texts", unsound)


def test_every_template_is_there_in_both_languages() -> None:
    texts = compile_policy("texts", seed("texts"))
    assert isinstance(texts, Texts)
    for template, knows in TEMPLATES.items():
        facts = [NoticeFact(name=name, text="told") for name in knows.always - {"receipt"}]
        for language in Language:
            assert texts.render(template, language, "TS-1", facts)


def test_a_missing_language_never_comes_into_force() -> None:
    unsound = seed("texts")
    del unsound["content"]["templates"]["survey"]["en"]
    with pytest.raises(ValueError, match="survey is missing in en"):
        compile_policy("texts", unsound)


def test_a_template_that_nobody_uses_never_comes_into_force() -> None:
    unsound = seed("texts")
    unsound["content"]["templates"]["recipt"] = unsound["content"]["templates"]["receipt"]
    with pytest.raises(ValueError, match="did you mean receipt"):
        compile_policy("texts", unsound)


def test_a_sealed_word_is_copied_and_never_joined_to_clear_text() -> None:
    texts = compile_policy("texts", seed("texts"))
    assert isinstance(texts, Texts)
    facts = [
        NoticeFact(name="explanation", sealed="v1.t1"),
        NoticeFact(name="next_steps", text="x"),
    ]
    parts = texts.render("answer", Language.EN, "TS-1", facts)
    assert parts == (
        ClearText(lit="About TS-1: "),
        SealedText(sealed="v1.t1"),
        ClearText(lit="\nNext: x"),
    )


@pytest.mark.parametrize(
    ("instant", "zh", "en"),
    [
        ("2025-10-11 00:00", "10月10日24:00", "10 Oct 24:00"),
        ("2026-01-01 00:00", "12月31日24:00", "31 Dec 24:00"),
        ("2025-10-03 08:00:59", "10月3日08:00", "3 Oct 08:00"),
    ],
)
def test_an_instant_is_told_as_people_say_it(instant: str, zh: str, en: str) -> None:
    assert told_instant(at(instant), Language.ZH) == zh
    assert told_instant(at(instant), Language.EN) == en


@given(st.datetimes(min_value=at("2020-01-01").replace(tzinfo=None)))
def test_nothing_ever_leaves_within_quiet_hours(naive: object) -> None:
    """The oracle counts seconds of the day; nothing leaves earlier than due or a day later."""
    policy = FeedbackPolicy.model_validate(seed("feedback")["content"])
    moment = naive.replace(tzinfo=SHANGHAI)  # type: ignore[attr-defined]
    leaves = after_quiet_hours(moment, policy.quiet_hours.begin, policy.quiet_hours.end)
    local = leaves.astimezone(SHANGHAI)
    second = local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
    assert 9 * 3600 <= second <= 21 * 3600
    assert 0 <= (leaves - moment).total_seconds() <= 12 * 3600


def test_rows_have_the_columns_of_their_tables_and_nothing_sealed() -> None:
    to = correspondent(tier=ValueTier.IMPORTANT)
    story = hear(nothing(), clocks_started(to), at("2025-10-17 17:00"))
    story = hear(story, answered_by_work(), at("2025-10-18 15:59"))
    story = hear(story, answered(to=to), at("2025-10-18 16:00"))
    story = hear(story, closed(Outcome.UNREACHABLE), at("2025-10-21 16:00"))
    tables = {table.name: table for table in TABLES}
    rows = list(story.rows)
    assert {row.table for row in rows} == set(tables)
    for row in rows:
        assert {name for name, _ in (*row.key, *row.values)} == set(tables[row.table].columns)
        assert tuple(name for name, _ in row.key) == tables[row.table].key
    lists = [row for row in rows if row.table != "feedback_call"]
    assert "v1.sealed" not in repr(lists)


def test_the_number_and_the_words_of_a_call_are_kept_only_while_somebody_has_to_make_it() -> None:
    to = correspondent(voice_only=True)
    story = hear(nothing(), clocks_started(to), at("2025-10-17 17:00"))
    story = hear(story, answered_by_work(), at("2025-10-18 15:59"))
    (call,) = [dict(row.values) for row in story.rows if row.table == "feedback_call"]
    assert call["reply_to"]["address"] == ADDRESS
    assert {"sealed": "v1.sealed.explanation"} in call["words"]
    story = hear(hear(story, answered(to=to), at("2025-10-18 16:00")), reply("r", 9))
    over = [dict(row.values) for row in story.rows if row.table == "feedback_call"]
    assert [(one["reply_to"], one["words"]) for one in over] == [(None, []), (None, [])]


def test_it_hears_exactly_what_the_catalogue_says() -> None:
    housekeeping = {"hold.placed.v1", "hold.lifted.v1", "cohort.purged.v1"}
    housekeeping |= {"purge.approved.v1", "purge.withdrawn.v1"}  # as every service
    housekeeping |= {"policy.activated.v1", "role.changed.v1"}  # access, as every service
    housekeeping |= {"token.issued.v1", "token.revoked.v1"}
    own = {"notice.attempted.v1"}  # its own event: what follows is decided with it
    listed = {entry.event.type for entry in CATALOGUE if "feedback_survey" in entry.reactions}
    assert {event.type for event in HEARD} == listed - housekeeping - own


def test_its_stream_holds_exactly_its_own_events() -> None:
    streams = {entry.event: entry.stream for entry in CATALOGUE}
    written = {event for event in events_of("feedback_survey") if streams[event] == "feedback"}
    assert set(DECIDERS[0].events) == written


def test_what_is_shown_follows_from_the_bytes_of_the_log_alone() -> None:
    """A stream read back from its bytes shows the same: calls, visits, surveys and notices."""
    to = correspondent(tier=ValueTier.IMPORTANT)
    story = hear(nothing(), clocks_started(to), at("2025-10-17 17:00"))
    story = hear(story, answered_by_work(), at("2025-10-18 15:59"))
    story = hear(story, answered(to=to), at("2025-10-18 16:00"))
    (call,) = story.state.calls
    who = StaffRef(team="vip-seats", agent="6001")
    story = story.when(TakeCall(at=story.now, call=call, by=who))
    story = story.when(RecordCall(at=story.now, call=call, by=who, reached=True, score=8))
    story = hear(story, closed(Outcome.SATISFIED))
    state = None
    for recorded in story.past:
        written, _ = encode(
            recorded.data,
            source="/bihuan/feedback_survey",
            subject=recorded.subject,
            sequence=recorded.sequence,
            previous="0" * 64,
            time=recorded.time,
            origin=Origin(causation="told", actor=recorded.actor),
        )
        state = DECIDERS[0].evolve(state, decode(written, DECODE))
    assert state is not None
    assert list(DECIDERS[0].rows(story.subject, state)) == list(story.rows)
    assert DECIDERS[0].timers(state) == story.timers
