"""The page for the person: both languages, every word, nothing of it taken for markup."""

from cli.person_page import page_of, said_in

DOCUMENT = {
    "person": "0d8e2c1e-58c0-4a3c-9f6a-7c1b2d3e4f50",
    "complaints": [
        {
            "complaint": "c",
            "receipt": "2510-0900-1234",
            "state": "open",
            "told_at": "2025-10-09T01:00:00Z",
            "closed_at": None,
            "records": [
                {
                    "id": "e-1",
                    "type": "complaint.registered.v1",
                    "time": "2025-10-09T01:00:01Z",
                    "said": [("summary", "<b>没有信号</b>")],
                }
            ],
        }
    ],
    "others": [],
    "refused": [
        {
            "at": "2025-10-09T02:00:00Z",
            "channel": "sms",
            "source": "sms",
            "id": "m-7",
            "rule": "malformed",
            "problem": "Send `kind`.",
        }
    ],
    "erasure": None,
    "person_records": [
        {
            "type": "person.accessed.v1",
            "time": "2025-10-09T03:00:00Z",
            "actor": "agent:a-1",
            "data": {"by": "agent:a-1", "purpose": "handling", "fields": ["summary"]},
        }
    ],
}


def test_a_page_tells_everything_in_both_languages() -> None:
    page = page_of(DOCUMENT, {"e-1": ("投诉已登记。", "The complaint was registered.")})
    for part in (
        "投诉已登记。",
        "The complaint was registered.",
        "2025-10-09 09:00",
        "2510-0900-1234",
        "&lt;b&gt;没有信号&lt;/b&gt;",
        "m-7",
        "agent:a-1",
        "handling",
        "未封存",
        "neither locked nor destroyed",
    ):
        assert part in page, part
    assert "<b>没有" not in page


def test_what_stays_closed_says_why() -> None:
    words = {"bs1.a": "我的话", "bs1.b": {"closed": "locked"}}
    record = {"data": {"summary": "bs1.a", "notes": [{"note": "bs1.b"}]}}
    assert list(said_in(record, words)) == [("summary", "我的话"), ("note", "已封存 locked")]


def test_what_came_with_the_words_is_told_by_its_reference() -> None:
    photo = {"kind": "photo", "ref": "album/7", "sha256": None}
    record = {"data": {"summary": "bs1.a", "evidence": [photo]}}
    assert list(said_in(record, {"bs1.a": "我的话"})) == [
        ("summary", "我的话"),
        ("evidence", "photo album/7"),
    ]
