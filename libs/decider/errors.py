"""The ways a domain says no; each knows what it means over HTTP.

DomainError
├── NotFound   404  there is no such thing
├── Conflict   409  the thing is in a state that does not allow this
├── Refused    422  a rule forbids what was asked
└── Stale      412  the caller decided on an older state
"""

from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands, for people who were refused something because of it."""

    code: str
    """For machines, e.g. `closed`."""
    zh: str
    en: str


class DomainError(Exception):
    """A rule said no. Its message never contains personal data.

    `rule` names the rule for machines (kebab case); subclasses stand beside the rule that raises
    them and set `rule` and, where useful, both languages of what to do.
    """

    status: ClassVar[int] = 422
    rule: ClassVar[str] = "refused"
    zh: ClassVar[str] = ""
    passing: ClassVar[bool] = False
    """It may be decided otherwise in a moment: no answer is kept for who repeats the request."""
    standing: Standing | None = None
    """Where the stream stood that refused it; None: it was not a stream's state that did."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or (type(self).__doc__ or self.rule).split("\n", 1)[0])

    def stood(self, standing: Standing | None) -> Self:
        """The same, with where the stream stood, unless that is known already."""
        self.standing = self.standing or standing
        return self

    @property
    def detail(self) -> str:
        """What was refused and what to do, in English."""
        return str(self.args[0])


class NotFound(DomainError):
    """There is no such thing."""

    status = 404
    rule = "not-found"
    zh = "没有找到"


class Conflict(DomainError):
    """The present state does not allow this."""

    status = 409
    rule = "conflict"
    zh = "当前状态不允许此操作"


class Refused(DomainError):
    """A rule forbids this."""

    status = 422
    rule = "refused"
    zh = "不符合规则"


class Stale(DomainError):
    """The decision rests on an older state; read again."""

    status = 412
    rule = "stale"
    zh = "数据已更新,请重新读取"
