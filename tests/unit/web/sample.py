"""A small service that uses every part of libs/web, for its tests: jobs are taken and listed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from libs.decider import Command, Conflict, DomainError, Event, NotFound, Recorded, To
from libs.web import (
    AccessTable,
    Ask,
    Authenticator,
    Caller,
    JwksFile,
    Page,
    PageQuery,
    Router,
    Unavailable,
    allow,
    build_api,
    command,
    issue_token,
    make_signing_key,
    page_of,
)
from libs.web.auth import SigningKey
from libs.web.commands import Answer, KeyReused, Outcome, Telling, decided, refusal_of

NOON = datetime(2025, 10, 9, 4, 0, tzinfo=UTC)
REAL_S = 1_900_000_000.0
JOB = UUID("5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11")
TAKEN_JOB = UUID("00000000-0000-0000-0000-000000000409")
NO_JOB = UUID("00000000-0000-0000-0000-000000000404")

ACCESS = AccessTable.model_validate(
    {
        "version": "1",
        "effective_from": "2004-01-01",
        "roles": {"agent": ["jobs.take", "jobs.list"], "auditor": ["jobs.list"]},
    }
)


class JobTaken(Event):
    type = "job.taken.v1"
    team: str


class TakeJob(Command):
    team: str


class AlreadyTaken(Conflict):
    """Somebody else has this job; take another."""

    rule = "already-taken"
    zh = "该任务已被他人领取"


class Urgency(StrEnum):
    URGENT = "urgent"
    ORDINARY = "ordinary"


class TakeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    team: str = Field(min_length=1, max_length=40)
    urgency: Urgency = Urgency.ORDINARY
    copies: int = Field(1, ge=1, le=9)
    note: str | None = Field(None, max_length=200)
    tags: list[str] = Field(default_factory=list, max_length=5)


class Job(BaseModel):
    id: int
    urgency: Urgency


class JobsQuery(PageQuery):
    urgency: Urgency | None = None


def routes() -> Router:
    router = Router(prefix="/v1", tags=["jobs"])

    @router.command("/jobs/{job}/take")
    async def take(
        job: UUID, body: TakeBody, ask: Annotated[Ask, command("jobs.take")]
    ) -> Response:
        return await ask(To(str(job), TakeJob(at=ask.now, team=body.team)))

    @router.command("/jobs/{job}/drop")
    async def drop(job: UUID, ask: Annotated[Ask, command("jobs.take")]) -> Response:
        return await ask(To(str(job), TakeJob(at=ask.now, team="none")))

    @router.get("/jobs")
    def listed(
        request: Request,
        page: Annotated[JobsQuery, Query()],
        _caller: Annotated[Caller, allow("jobs.list")],
    ) -> Page[Job]:
        (start,) = page.after(int) or (0,)
        stop = min(start + page.limit + 1, 5)
        rows = [Job(id=number, urgency=Urgency.URGENT) for number in range(start + 1, stop + 1)]
        items, following = page_of(request, rows, page.limit, lambda job: (job.id,))
        return Page(items=list(items), next=following)

    return router


@dataclass
class InMemoryCommands:
    """Keeps keys as the runtime does; refuses two known jobs and takes the others."""

    submitted: list[tuple[str, str | None, str, str]] = field(default_factory=list)
    kept: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    failure: Exception | None = None

    async def submit(
        self,
        to: Any,
        *,
        actor: str,
        key: str | None,
        fingerprint: str,
        traceparent: str,
        tell: Telling,
    ) -> Outcome:
        self.submitted.append((actor, key, fingerprint, traceparent))
        if self.failure is not None:
            raise self.failure
        if key in self.kept:
            print_of_first, answer = self.kept[key]
            if print_of_first != fingerprint:
                raise KeyReused
            return Outcome(answer, to.subject, replayed=True)
        try:
            events = self._decide(to, actor)
        except DomainError as refusal:
            if key is not None and decided(refusal):
                self.kept[key] = (fingerprint, refusal_of(refusal))
            raise
        answer = tell(to.subject, events)
        if key is not None:
            self.kept[key] = (fingerprint, answer)
        return Outcome(answer, to.subject, tuple(events))

    def _decide(self, to: To, actor: str) -> Sequence[Recorded[Any]]:
        if to.subject == str(NO_JOB):
            raise NotFound
        if to.subject == str(TAKEN_JOB):
            raise AlreadyTaken
        assert isinstance(to.command, TakeJob)
        taken = JobTaken(team=to.command.team)
        source = "/bihuan/jobs"
        return [Recorded(JOB, source, taken.type, to.subject, NOON, 1, actor, taken)]


@dataclass
class Sample:
    """The sample service, its key, and the time its tokens are checked by."""

    api: FastAPI
    commands: InMemoryCommands
    signing: SigningKey
    observed: list[tuple[str, str, int]]
    real_s: list[float]

    def token(self, *roles: str, actor: str = "agent:8812", lifetime_s: int = 3600) -> str:
        return issue_token(
            self.signing,
            actor=actor,
            roles=roles or ("agent",),
            real_now_s=self.real_s[0],
            lifetime_s=lifetime_s,
        )

    def headers(self, *roles: str, key: str = "key-1") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*roles)}", "Idempotency-Key": key}


def build_sample(folder: Path, routers: Sequence[Router] = (), **more: Any) -> Sample:
    signing = make_signing_key(folder)
    real_s = [REAL_S]
    real_now_s: Callable[[], float] = lambda: real_s[0]  # noqa: E731 - a port, not a function
    commands = InMemoryCommands()
    observed: list[tuple[str, str, int]] = []
    api = build_api(
        "jobs",
        "Jobs",
        "1.0.0",
        list(routers) or [routes()],
        authenticator=Authenticator(JwksFile(folder / "jwks.json", real_now_s), real_now_s),
        access=ACCESS,
        commands=commands,
        now=lambda: NOON,
        unavailable=(ConnectionError,),
        observe=lambda method, route, status, _seconds: observed.append((method, route, status)),
        **more,
    )
    return Sample(api, commands, signing, observed, real_s)


__all__ = ["Sample", "Unavailable", "build_sample"]
