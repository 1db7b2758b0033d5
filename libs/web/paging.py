"""Lists come in pages by key, not by offset, so that new rows neither hide nor double any."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from libs.web.problem import RequestError

LIMIT_MAX = 200
CURSOR_CHARACTERS_MAX = 512

T = TypeVar("T")
R = TypeVar("R")


class BadCursor(RequestError):
    """There is no page of that name; take `next` of the page before, unchanged."""

    status = 404
    rule = "bad-cursor"
    zh = "分页游标无效,请使用上一页返回的 next"


class PageQuery(BaseModel):
    """How much of a list, and from where on; subclass it to add a list's own filters.

    Used as `page: Annotated[PageQuery, Query()]`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit: int = Field(50, ge=1, le=LIMIT_MAX, description="rows at most")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=CURSOR_CHARACTERS_MAX,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="from `next` of the page before, unchanged",
    )

    def after(self, *kinds: Any) -> tuple[Any, ...] | None:
        """The key of the last row seen, typed as `kinds` (`page.after(datetime, UUID)`).

        None on the first page. Raises BadCursor, so that a made-up cursor never reaches SQL.
        """
        if self.cursor is None:
            return None
        try:
            padded = self.cursor + "=" * (-len(self.cursor) % 4)
            kind: Any = GenericAlias(tuple, kinds)
            adapter: TypeAdapter[tuple[Any, ...]] = TypeAdapter(kind)
            return adapter.validate_json(urlsafe_b64decode(padded), strict=True)
        except (ValueError, ValidationError):
            raise BadCursor from None


Paging = Annotated[PageQuery, Query()]
"""A list without filters of its own."""


class Page(BaseModel, Generic[T]):
    """One page of a list, and where the next one is."""

    model_config = ConfigDict(extra="forbid")
    items: list[T]
    next: str | None = Field(None, description="relative URL of the next page; null on the last")


def cursor_of(*key: Any) -> str:
    """A row's key (texts, whole numbers, instants, UUIDs, null) as an opaque cursor."""
    return urlsafe_b64encode(to_json(key)).decode().rstrip("=")


def page_of(
    request: Request,
    rows: Sequence[R],
    limit: int,
    key: Callable[[R], tuple[Any, ...]],
) -> tuple[Sequence[R], str | None]:
    """The first `limit` of `rows` (queries fetch `limit + 1`), and the relative URL of the rest."""
    if len(rows) <= limit:
        return rows, None
    shown = rows[:limit]
    url = request.url.include_query_params(cursor=cursor_of(*key(shown[-1])))
    return shown, f"{url.path}?{url.query}"
