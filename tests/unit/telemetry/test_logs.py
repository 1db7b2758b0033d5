"""No log line can carry personal data, whoever writes it and whatever goes wrong."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel

from libs.decider import Conflict
from libs.telemetry.logs import JsonFormatter, configure_logs, safe_text, serving

PHONE = "13800138000"
WORDS = "我的宽带三天没有信号"
NAME = "Zhang Wei"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything this process logs, as it would stand on stderr; undone afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("bihuan")
    before = (list(root.handlers), root.level, ours.level, logging.raiseExceptions)
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    stream = io.StringIO()
    configure_logs("intake", stream=stream)
    yield stream
    root.handlers[:], logging.raiseExceptions = before[0], before[3]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_listed_fields_only(lines: io.StringIO) -> None:
    log = logging.getLogger("bihuan.relay")
    log.warning(
        "relay interrupted",
        extra={"partition": 3, "error": "KafkaError", "text": WORDS, "customer": NAME},
    )
    (line,) = told(lines)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "bihuan.relay",
        "message": "relay interrupted",
        "service": "intake",
        "partition": 3,
        "error": "KafkaError",
    }


def test_arguments_of_a_message_are_never_told(lines: io.StringIO) -> None:
    logging.getLogger("bihuan.x").info("cannot take %s of %(name)s", PHONE)
    logging.getLogger("aiokafka").warning("record %r refused", {"text": WORDS})
    assert [line["message"] for line in told(lines)] == [
        "cannot take %s of %(name)s",
        "record %r refused",
    ]


def test_a_librarys_own_text_is_told_without_quotations_numbers_and_chinese(
    lines: io.StringIO,
) -> None:
    text = f"bad value '{NAME}' for {PHONE} in {WORDS}\nDETAIL: {NAME}"
    logging.getLogger("some.library").error(text)
    (line,) = told(lines)
    assert line["message"] == "bad value [hidden] for [hidden] in [hidden]"


def test_a_listed_field_hides_what_could_be_a_customers() -> None:
    complaint = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
    assert (
        safe_text(f"{complaint} at 2025-10-09T04:00:00Z") == f"{complaint} at 2025-10-09T04:00:00Z"
    )
    assert safe_text(f"tel {PHONE}, +86 138-0013-8000") == "tel [hidden], [hidden]"
    assert safe_text(f"said {WORDS}!") == "said [hidden]!"
    assert (
        safe_text("00000000-0000-0000-0000-000000000000") == "00000000-0000-0000-0000-000000000000"
    )


class Subscriber(BaseModel):
    number: int


def _validation() -> None:
    Subscriber.model_validate({"number": WORDS})


def _caused() -> None:
    try:
        raise KeyError(PHONE)
    except KeyError as error:
        raise RuntimeError(WORDS) from error


def _in_context() -> None:
    try:
        raise KeyError(PHONE)
    except KeyError:
        raise RuntimeError(WORDS)  # noqa: B904 - the unspoken context is what is tested


def _group() -> None:
    raise ExceptionGroup(WORDS, [ValueError(PHONE), RuntimeError(NAME)])


def _database() -> None:
    raise psycopg.errors.UniqueViolation(f"duplicate key: (number)=({PHONE}) already exists")


@pytest.mark.parametrize("fail", [_validation, _caused, _in_context, _group, _database])
def test_an_exception_says_its_type_and_place_and_nothing_else(
    lines: io.StringIO, fail: Any
) -> None:
    try:
        fail()
    except Exception:
        logging.getLogger("bihuan.x").exception("failed")
    (line,) = told(lines)
    assert any(frame.endswith(f" {fail.__name__}") for frame in line["exception"]["frames"])
    for marker in (PHONE, WORDS, NAME):
        assert marker not in lines.getvalue()


def test_causes_are_told_by_type_and_a_database_error_by_its_code(lines: io.StringIO) -> None:
    for fail in (_caused, _database):
        try:
            fail()
        except Exception:
            logging.getLogger("bihuan.x").exception("failed")
    caused, database = (line["exception"] for line in told(lines))
    assert caused["type"] == "builtins.RuntimeError"
    assert [cause["type"] for cause in caused["causes"]] == ["builtins.KeyError"]
    assert database["sqlstate"] == "23505"


def test_our_own_refusals_say_their_rule(lines: io.StringIO) -> None:
    try:
        raise Conflict("already closed")
    except Conflict:
        logging.getLogger("bihuan.x").exception("refused")
    (line,) = told(lines)
    assert (line["exception"]["rule"], line["exception"]["said"]) == ("conflict", "already closed")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_nobody_caught_is_told_the_same_way(
    lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        raise RuntimeError(PHONE)
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)

    def fail() -> None:
        raise RuntimeError(PHONE)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    class Untidy:
        def __del__(self) -> None:
            raise RuntimeError(PHONE)

    Untidy()
    gc.collect()
    assert [line["message"] for line in told(lines)] == ["uncaught exception"] * 3
    assert PHONE not in lines.getvalue() + "".join(capfd.readouterr())


def test_a_task_that_failed_unseen_is_told_without_its_words(lines: io.StringIO) -> None:
    async def fail() -> None:
        raise RuntimeError(PHONE)

    async def forget() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(forget())
    (line,) = told(lines)
    assert line["message"] == "Task exception was never retrieved"
    assert PHONE not in lines.getvalue()


def test_a_broken_record_prints_nothing_of_its_arguments(
    lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError(PHONE)

    logging.getLogger("bihuan.x").error("broken", extra={"reason": Unprintable()})
    assert PHONE not in lines.getvalue() + "".join(capfd.readouterr())


def test_a_line_names_the_service_it_belongs_to_where_six_share_a_process() -> None:
    record = logging.LogRecord("bihuan.x", logging.INFO, __file__, 1, "hello", (), None)
    token = serving.set("routing")
    try:
        assert json.loads(JsonFormatter("").format(record))["service"] == "routing"
    finally:
        serving.reset(token)
    assert "service" not in json.loads(JsonFormatter("").format(record))
