"""Pages follow keys; a cursor that is not ours never reaches a query."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs.web import PageQuery
from libs.web.paging import BadCursor, cursor_of
from tests.unit.web.client import Client
from tests.unit.web.sample import JOB, Sample

NOON = datetime(2025, 10, 9, 4, 0, 0, 7, tzinfo=UTC)


def test_next_leads_through_all_pages_and_keeps_the_filters(sample: Sample, client: Client) -> None:
    seen: list[int] = []
    url: str | None = "/v1/jobs?limit=2&urgency=urgent"
    while url is not None:
        page = client.get(url, headers=sample.headers()).json()
        seen += [item["id"] for item in page["items"]]
        url = page["next"]
        assert url is None or "urgency=urgent" in url
    assert seen == [1, 2, 3, 4, 5]


def test_a_cursor_returns_its_key_exactly() -> None:
    page = PageQuery(cursor=cursor_of(NOON, JOB, 7, None))
    assert page.after(datetime, UUID, int, int | None) == (NOON, JOB, 7, None)
    assert PageQuery().after(int) is None


@pytest.mark.parametrize(
    "cursor", ["abc", "WzFd", cursor_of("noon"), cursor_of(5, 5), cursor_of(None), "-_-", "A"]
)
def test_a_cursor_of_another_shape_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        PageQuery(cursor=cursor).after(datetime)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5"])
def test_a_page_is_bounded(sample: Sample, client: Client, limit: str) -> None:
    answer = client.get(f"/v1/jobs?limit={limit}", headers=sample.headers())
    assert answer.status_code == 422
