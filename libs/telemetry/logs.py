"""Logs as JSON lines that cannot carry personal data: what may be in one is listed.

A line has the message's template but never its arguments, only named extra fields, and of an
exception its type and where it was raised but not what it said - for a driver's error quotes the
row, and a validation error the words of a customer (issue 3, guarantee 8).
"""

import json
import logging
import re
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import IO, Any, Final

from libs.decider import DomainError

FIELDS: Final = frozenset(
    {
        "address", "after", "attempt", "batch", "broker", "bytes", "clock", "count", "due",
        "duration_ms", "error", "event", "generation", "group", "instance", "kind", "lag",
        "method", "offset", "partition", "partitions", "policy", "position", "reason",
        "route", "rule", "seconds", "sequence", "service", "source", "status", "subject", "table",
        "timer", "topic", "trace", "type", "version",
    }
)  # fmt: skip
"""The extra fields a line may have: names, numbers and ids of ours."""

TEXT_CHARACTERS_MAX: Final = 500
FRAMES_MAX: Final = 30
CAUSES_MAX: Final = 5
OURS: Final = "bihuan"

serving: ContextVar[str] = ContextVar("serving", default="")
"""The service whose work a line belongs to, where several run in one process."""

_KEPT = re.compile(
    r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|\b[0-9a-f]{32}\b|\b[0-9a-f]{64}\b"  # a trace, a digest
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]{0,10}(Z|[+-]\d\d:\d\d)?"  # an instant
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_DIGITS = re.compile(r"\+?\d(?:[ -]?\d){6,}")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]+")
HIDDEN: Final = "[hidden]"


class JsonFormatter(logging.Formatter):
    """One JSON object per line, of whitelisted parts only."""

    def __init__(self, service: str = "") -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": template_of(record),
        }
        service = serving.get() or self._service
        if service:
            line["service"] = service
        for name in FIELDS & record.__dict__.keys():
            line[name] = safe_value(record.__dict__[name])
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = exception_of(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def template_of(record: logging.LogRecord) -> str:
    """The message before its arguments go in, one line; of others' loggers without quotations.

    Ours are constant texts (ruff's G rules see to it); a library may have put anything in.
    """
    first = str(record.msg).split("\n", 1)[0][:TEXT_CHARACTERS_MAX]
    if record.name == OURS or record.name.startswith(f"{OURS}."):
        return first
    return safe_text(_QUOTED.sub(HIDDEN, first))


def safe_value(value: object) -> object:
    """Numbers as they are, texts without what could be a customer's."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return safe_text(str(value)[:TEXT_CHARACTERS_MAX])


def safe_text(text: str) -> str:
    """`text` with long numbers and all that is not ASCII hidden; ids and instants stay."""
    kept: list[str] = []
    at = 0
    for found in _KEPT.finditer(text):
        kept += (_scrubbed(text[at : found.start()]), found[0])
        at = found.end()
    return "".join((*kept, _scrubbed(text[at:])))


def _scrubbed(text: str) -> str:
    return _DIGITS.sub(HIDDEN, _NOT_ASCII.sub(HIDDEN, text))


def exception_of(error: BaseException) -> dict[str, Any]:
    """An exception's type, place and causes; its words only where they are known to be safe."""
    told = _one(error)
    causes: list[dict[str, Any]] = []
    current = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while current is not None and len(causes) < CAUSES_MAX:
        causes.append(_one(current))
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    if causes:
        told["causes"] = causes
    if isinstance(error, BaseExceptionGroup):
        told["members"] = [exception_of(one) for one in error.exceptions[:CAUSES_MAX]]
    return told


def _one(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    told: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, DomainError):
        told["rule"] = error.rule
        told["said"] = safe_text(error.detail[:TEXT_CHARACTERS_MAX])
    elif isinstance(error, OSError) and error.errno is not None:
        told["errno"] = error.errno
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        told["sqlstate"] = sqlstate
    return told


def _place(filename: str) -> str:
    """The last three parts of a path: enough to find it, nothing of the machine."""
    return "/".join(PurePath(filename).parts[-3:])


def configure_logs(
    service: str = "", *, level: int = logging.INFO, stream: IO[str] | None = None
) -> None:
    """All logging of this process as JSON lines on `stream` (default: stderr), and only there.

    What would be printed past logging - an uncaught exception of the process, of a thread, of a
    finaliser - goes through the same formatter.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(OURS).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "fastapi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The path of a request may be told, what was asked in it may not; routes are counted instead.
    logging.getLogger("uvicorn.access").disabled = True
    logging.raiseExceptions = False  # a broken record must not print its arguments
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


_log = logging.getLogger(OURS)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
        _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def _unraisable(told: Any) -> None:
    if told.exc_value is not None:
        _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
