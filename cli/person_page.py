"""What is on record of a person, as a page for that person to read, in Chinese and in English."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from cli import showing

CLOSED = {
    "another-person": "属于他人,不予提供 another person's words",
    "erased": "已销毁 destroyed",
    "locked": "已封存 locked",
    "bad-token": "无法读取 cannot be read",
}
STYLE = (
    "body{font:15px/1.6 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .5rem;"
    "text-align:left;vertical-align:top}th{background:#f3f3f3}.said{white-space:pre-wrap}"
)


def page_of(document: Mapping[str, Any], sentences: Mapping[str, tuple[str, str]]) -> str:
    """The page for an export; `sentences`: event id -> what it means, in Chinese and in English."""
    parts = [
        "<!doctype html><html lang='zh'><meta charset='utf-8'>",
        f"<title>个人信息副本 A copy of your data</title><style>{STYLE}</style>",
        "<h1>个人信息副本 A copy of your personal data</h1>",
        f"<p>客户编号 your number here: <code>{escape(document['person'])}</code></p>",
        "<p>本副本列出我们记录的关于您的一切:投诉、未受理的消息,以及谁因何查阅过您的信息(人员以代号表示)。"
        " This is everything on record about you: your complaints, messages that were not taken,"
        " and who opened your data and what for (people by their pseudonyms).</p>",
        f"<p>{_erasure(document['erasure'])}</p>",
    ]
    for one in document["complaints"]:
        closed = showing.moment(one["closed_at"]) if one["closed_at"] else "未结案 open"
        parts.append(f"<h2>投诉 Complaint {escape(one['receipt'])}</h2>")
        told = showing.moment(one["told_at"])
        parts.append(f"<p>提出 told: {told} · 结案 closed: {escape(closed)}</p>")
        parts.append(_records(one["records"], sentences))
    for one in document["others"]:
        parts.append("<h2>他人投诉中您说的话 Your words on another person's complaint</h2>")
        parts.append(_records(one["records"], sentences))
    parts.append("<h2>未受理的消息 Messages that were not taken</h2>")
    columns = ("时间 when", "渠道 channel", "编号 id", "原因 why")
    rows = [
        (showing.moment(one["at"]), one["channel"] or "-", one["id"], one["problem"])
        for one in document["refused"]
    ]
    parts.append(_table(columns, rows))
    parts.append("<h2>谁查阅过您的信息 Who opened your data, and what was done with it</h2>")
    parts.append(_accesses(document["person_records"]))
    return "\n".join(parts) + "\n"


def _erasure(erasure: Mapping[str, Any] | None) -> str:
    if erasure is None:
        return "您的信息未封存、未销毁。 Your data is neither locked nor destroyed."
    since = showing.moment(erasure["since"])
    if erasure["mode"] == "destroyed":
        return f"您的信息已于 {since} 销毁。 Your data was destroyed at {since}."
    return f"您的信息自 {since} 起封存。 Your data has been locked since {since}."


def _records(records: Sequence[Mapping[str, Any]], sentences: Mapping[str, tuple[str, str]]) -> str:
    rows = []
    for one in records:
        zh, en = sentences.get(one["id"], (one["type"], one["type"]))
        said = "\n".join(f"{name}: {text}" for name, text in one.get("said", ()))
        rows.append((showing.moment(one["time"]), zh, en, said))
    columns = ("时间 when", "发生了什么", "what happened", "内容 words and addresses")
    return _table(columns, rows)


def _accesses(records: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in records:
        told = one["data"]
        what = {
            "person.accessed.v1": "查阅 opened",
            "person.erased.v1": "封存或销毁 locked or destroyed",
        }.get(one["type"], one["type"])
        why = told.get("purpose") or told.get("basis") or told.get("state", "")
        fields = ", ".join(told.get("fields", ())) or told.get("mode", "")
        by = told.get("by") or one["actor"]
        rows.append((showing.moment(one["time"]), what, by, why, fields))
    columns = ("时间 when", "事项 what", "人员 by", "用途 purpose", "内容 of what")
    return _table(columns, rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>无 none</p>"
    head = "".join(f"<th>{escape(one)}</th>" for one in columns)
    lines = (
        "<tr>" + "".join(f"<td class='said'>{escape(one)}</td>" for one in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def said_in(part: Any, words: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, str]]:
    """(field, plaintext or why it stays closed) of every token in a part of an event; of what came
    with it as evidence, what it is and under which reference it is kept.
    """
    if isinstance(part, str) and part in words:
        word = words[part]
        yield name, word if isinstance(word, str) else CLOSED.get(word["closed"], word["closed"])
    elif isinstance(part, Mapping):
        for inner, value in part.items():
            if inner == "evidence":
                yield from ((inner, f"{one['kind']} {one['ref']}") for one in value)
            else:
                yield from said_in(value, words, inner)
    elif isinstance(part, list):
        for value in part:
            yield from said_in(value, words, name)
