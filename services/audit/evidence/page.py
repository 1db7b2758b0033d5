"""The page of a bundle: the same events for people to read and to print, in both languages."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from services.audit.evidence.bundle import Told

SHANGHAI = ZoneInfo("Asia/Shanghai")

_HEAD = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:14px/1.5 sans-serif;margin:2em}}table{{border-collapse:collapse;width:100%}}
td,th{{border:1px solid #bbb;padding:.3em .5em;text-align:left;vertical-align:top}}
th{{background:#eee}}tr{{break-inside:avoid}}small{{color:#555}}
.breached{{background:#fdd}}.met{{background:#dfd}}
</style></head><body><h1>{title}</h1>
<p>{about}</p>
<p>This page proves nothing by itself: HOWTO.txt says how the bundle is checked.
本页仅供阅读,核验方法见 HOWTO.txt。</p>
<table><thead><tr><th>time 时间</th><th>service 服务</th><th>what 事项</th><th>who 人员</th>
<th>channel 渠道</th><th>cause 起因</th><th>policy 规则版本</th><th>reason 原因</th></tr></thead>
<tbody>
"""
_MARKS = {"clock.met.v1": "met", "clock.breached.v1": "breached"}


def page(title: str, about: Mapping[str, Any], steps: "Sequence[Told]") -> str:
    """An HTML page of its own: no script, nothing fetched."""
    head = _HEAD.format(title=escape(title), about=escape(json.dumps(about, ensure_ascii=False)))
    return head + "".join(map(_row, steps)) + "</tbody></table></body></html>\n"


def _row(step: "Told") -> str:
    time = step.time.astimezone(SHANGHAI).isoformat(sep=" ") if step.time else ""
    cells = (
        escape(time),
        f"{escape(step.service)} <small>#{step.number or ''} {escape(step.type)}</small>",
        f"{escape(step.zh)}<br>{escape(step.en)}",
        escape(step.actor),
        escape(step.channel),
        escape(step.cause),
        escape(step.policies),
        escape(step.reason),
    )
    mark = _MARKS.get(step.type, "")
    return f'<tr class="{mark}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
