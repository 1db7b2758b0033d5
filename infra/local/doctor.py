"""Looks at this machine and says what is there, what is missing, and how to get it.

Pure probing: nothing is installed, started or written.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from chinese_calendar.constants import holidays, workdays

from infra.local.kafka_jars import (
    JAVA_MAJOR_MIN,
    KAFKA_VERSION,
    find_java,
    find_maven,
    have_jars,
    jars_folder,
)
from infra.local.ports import is_free
from infra.local.postgres import ACCOUNT, postgres_version
from infra.local.problems import ServerFailed
from infra.local.process import can_unroot_by_namespace

PYTHON_MIN = (3, 11)
DISK_BYTES_MIN = 2 * 1024**3
CALENDAR_DAYS_MIN = 60

State = Literal["ok", "warning", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `missing` stops the system; `warning` takes something away from it."""

    name: str
    state: State
    found: str
    remedy: str = ""
    remedy_zh: str = ""


def examine(
    data_folder: Path,
    *,
    today: date,
    ports: Iterable[int] = (),
    calendar_until: date | None = None,
) -> list[Finding]:
    """Everything that matters for running here.

    `ports` are those that are to be listened on; `calendar_until` is the last date of an
    operator's own calendar, where one is loaded beyond the built-in one.
    """
    return [
        _python(),
        _system(),
        _make(),
        _postgres(),
        *_root(),
        _java(),
        _maven(),
        _kafka(),
        _disk(data_folder),
        *(_port(port) for port in ports),
        _calendar(today, calendar_until),
    ]


def calendar_reaches() -> date:
    """The last date whose working-day status the built-in calendar knows (DOMAIN counting 12)."""
    return date(max(day.year for day in (*holidays, *workdays)), 12, 31)


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info[:2] >= PYTHON_MIN:
        return Finding("python", "ok", found)
    needed = ".".join(map(str, PYTHON_MIN))
    return Finding(
        "python",
        "missing",
        found,
        f"Install Python {needed} or newer.",
        f"请安装 Python {needed} 或更新版本。",
    )


def _system() -> Finding:
    found = f"{platform.system()} {platform.machine()}"
    if platform.system() in ("Linux", "Darwin"):
        return Finding("system", "ok", found)
    return Finding(
        "system",
        "missing",
        found,
        "Use Linux or macOS; on Windows, WSL 2.",
        "请使用 Linux 或 macOS;Windows 用户请使用 WSL 2。",
    )


def _make() -> Finding:
    found = shutil.which("make")
    if found:
        return Finding("make", "ok", found)
    return Finding(
        "make",
        "warning",
        "not installed",
        "Install make (Debian, Ubuntu: apt install make), or run the Makefile's lines by hand.",
        "请安装 make(Debian/Ubuntu:apt install make)。",
    )


def _postgres() -> Finding:
    try:
        return Finding("postgresql", "ok", postgres_version())
    except ServerFailed as missing:
        return Finding("postgresql", "missing", missing.problem, missing.remedy, missing.remedy_zh)


def _root() -> list[Finding]:
    if os.geteuid() != 0:
        return []
    if can_unroot_by_namespace(ACCOUNT):
        return [Finding("root", "ok", "PostgreSQL runs in a user namespace, since it refuses root")]
    return [
        Finding(
            "root",
            "warning",
            f"PostgreSQL refuses root and will run as user {ACCOUNT!r}",
            "Keep the checkout and BIHUAN_DATA in folders every user may enter, "
            "or run as an ordinary user.",
            "请把代码和 BIHUAN_DATA 放在所有用户可进入的目录,或改用普通用户运行。",
        )
    ]


def _java() -> Finding:
    java = find_java()
    if java is not None and java.major >= JAVA_MAJOR_MIN:
        return Finding("java", "ok", f"{java.version} ({java.program})")
    return Finding(
        "java",
        "warning",
        java.version if java else "not installed",
        f"Without Java {JAVA_MAJOR_MIN} or newer an in-memory broker stands in for Kafka. "
        "Debian, Ubuntu: apt install default-jre-headless; macOS: brew install openjdk.",
        f"没有 Java {JAVA_MAJOR_MIN} 或更新版本时,将以内存消息代理代替 Kafka。请安装 Java。",
    )


def _maven() -> Finding:
    maven = find_maven()
    if maven is not None:
        return Finding("maven", "ok", str(maven))
    if have_jars():
        return Finding("maven", "ok", "not installed, and not needed: Kafka is in the cache")
    return Finding(
        "maven",
        "warning",
        "not installed",
        "Maven fetches Kafka once; without it an in-memory broker stands in. "
        "Debian, Ubuntu: apt install maven; macOS: brew install maven.",
        "Maven 用于首次下载 Kafka;没有时将以内存消息代理代替。请安装 Maven。",
    )


def _kafka() -> Finding:
    if have_jars():
        return Finding("kafka", "ok", f"{KAFKA_VERSION} in {jars_folder()}")
    return Finding("kafka", "ok", f"{KAFKA_VERSION} will be fetched at the first start (43 MB)")


def _disk(data_folder: Path) -> Finding:
    existing = data_folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    found = f"{free / 1024**3:.1f} GiB free at {existing}"
    if free >= DISK_BYTES_MIN:
        return Finding("disk", "ok", found)
    return Finding(
        "disk",
        "warning",
        found,
        f"Make room, or set BIHUAN_DATA to a disk with {DISK_BYTES_MIN // 1024**3} GiB free.",
        "磁盘空间不足:请清理,或用 BIHUAN_DATA 指定另一个磁盘。",
    )


def _port(port: int) -> Finding:
    if is_free(port):
        return Finding(f"port {port}", "ok", "free on 127.0.0.1")
    return Finding(
        f"port {port}",
        "warning",
        "taken on 127.0.0.1",
        "Stop what listens there (it may be a running `bihuan up`), or choose another port.",
        "端口被占用(可能是正在运行的 `bihuan up`):请先停止,或换一个端口。",
    )


def _calendar(today: date, calendar_until: date | None) -> Finding:
    reaches = max(calendar_reaches(), calendar_until or date.min)
    found = f"Chinese working days are known until {reaches.isoformat()}"
    if (reaches - today).days >= CALENDAR_DAYS_MIN:
        return Finding("calendar", "ok", found)
    return Finding(
        "calendar",
        "warning",
        found,
        "Working-day limits beyond that date stay unknown until the next year's calendar is "
        "loaded: upgrade chinesecalendar, or load an operator's own calendar version.",
        "此后的工作日时限在加载新一年日历之前保持未知:请升级 chinesecalendar 或加载自有日历。",
    )
