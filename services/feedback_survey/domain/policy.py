"""The feedback policy as the domain reads it: quiet hours, surveys, and who is called."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.intake import Outcome
from contracts.values import Correspondent, Medium, NoticeKind, Score, ValueTier
from libs.decider.policy import Unsound
from services.feedback_survey.domain.quiet import after_quiet_hours
from services.feedback_survey.domain.texts import Texts, read_texts

POLICY = "feedback"
TEXTS = "texts"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QuietHours(_Part):
    """No message leaves after `begin` and before `end`, Asia/Shanghai; equal: none are quiet."""

    begin: Annotated[time, Field(alias="from")]
    end: Annotated[time, Field(alias="to")]

    def after(self, moment: datetime) -> datetime:
        """When a message due at `moment` may leave."""
        return after_quiet_hours(moment, self.begin, self.end)


class SurveyRules(_Part):
    """How long a survey waits, and what is satisfied."""

    remind_after_hours: Annotated[int, Field(ge=1)]
    ends_after_hours: Annotated[int, Field(ge=1)]
    dissatisfied_up_to: Score

    @model_validator(mode="after")
    def _reminds_before_it_ends(self) -> "SurveyRules":
        if self.remind_after_hours >= self.ends_after_hours:
            problem = "a reminder comes before the end: let it come earlier, or the end later"
            raise Unsound.at("overlap", ("remind_after_hours",), problem)
        return self

    @property
    def remind_after(self) -> timedelta:
        """From asking to the one reminder."""
        return timedelta(hours=self.remind_after_hours)

    @property
    def ends_after(self) -> timedelta:
        """From asking to the end without an answer."""
        return timedelta(hours=self.ends_after_hours)

    def weigh(self, score: int | None, resolved: bool | None) -> bool | None:
        """Satisfied or not; None when nothing was said that tells (DOMAIN rule 11)."""
        if resolved is False:
            return False
        if score is not None:
            return score > self.dissatisfied_up_to
        return resolved


class GivenUp(StrEnum):
    """What becomes of a survey whose customer no call has reached."""

    UNREACHABLE = "unreachable"
    """It ends at once: the customer could not be reached."""
    MESSAGE = "message"
    """It is asked by a message after all, where one can be sent, and waits for its end."""


class Calls(_Part):
    """Who is called instead of written to, about what, and how a call is made."""

    value_tiers: frozenset[ValueTier]
    kinds: frozenset[NoticeKind]
    attempts_max: Annotated[int, Field(ge=1, le=20)]
    again_after_minutes: Annotated[int, Field(ge=1)]
    taken_for_minutes: Annotated[int, Field(ge=1)]
    remind_after_hours: Annotated[int, Field(ge=1)]
    then: GivenUp

    @property
    def again_after(self) -> timedelta:
        """From an attempt that reached nobody to the next one."""
        return timedelta(minutes=self.again_after_minutes)

    @property
    def taken_for(self) -> timedelta:
        """How long a call is theirs who took it."""
        return timedelta(minutes=self.taken_for_minutes)

    @property
    def remind_after(self) -> timedelta:
        """From when it may be made until the desk is reminded of it."""
        return timedelta(hours=self.remind_after_hours)


class Visits(_Part):
    """Which customers are followed up on after their complaint is closed, and when."""

    value_tiers: frozenset[ValueTier]
    outcomes: frozenset[Outcome]
    after_days: Annotated[int, Field(ge=1)]
    within_days: Annotated[int, Field(ge=1)]

    @property
    def after(self) -> timedelta:
        """From the closing until the visit may be made."""
        return timedelta(days=self.after_days)

    @property
    def within(self) -> timedelta:
        """From then until the desk is reminded of it."""
        return timedelta(days=self.within_days)


class FeedbackPolicy(_Part):
    """One version of the feedback policy's content."""

    quiet_hours: QuietHours
    survey: SurveyRules
    calls: Calls
    visits: Visits

    def medium(self, kind: NoticeKind, to: Correspondent) -> Medium:
        """How this notice reaches this customer.

        Where there is no address the channel that took the words hands it over; a receipt that
        nothing but a voice can carry was spoken on the very call (DOMAIN rule 2: "at once").
        """
        if to.reply_to is None or to.reply_to.address is None:
            return Medium.ON_THE_SPOT
        if to.reply_to.voice_only:
            return Medium.ON_THE_SPOT if kind is NoticeKind.RECEIPT else Medium.CALL
        if kind in self.calls.kinds and to.value_tier in self.calls.value_tiers:
            return Medium.CALL
        return Medium.MESSAGE


def compile_policy(name: str, policy: Mapping[str, Any]) -> FeedbackPolicy | Texts:
    """The policy of that name, ready for decisions; raises ValueError when it is not sound."""
    match name:
        case "feedback":
            return FeedbackPolicy.model_validate(policy.get("content", policy))
        case "texts":
            return read_texts(policy)
        case _:
            raise ValueError(f"feedback_survey has no policy {name!r}")
