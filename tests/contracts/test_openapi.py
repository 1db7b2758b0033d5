"""The OpenAPI documents are those of the services as they are, and valid by the format's rules."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from pydantic import BaseModel

from contracts.generate import OPENAPI, ROOT, write_openapi
from contracts.runtime import HOUSEKEEPING
from libs.eventlog.service import Service
from libs.messaging.app import App, Interface
from libs.messaging.settings import RuntimeSettings
from libs.timekeeping.clock import Clock
from libs.web.access import allow
from libs.web.auth import make_signing_key
from libs.web.routing import Router
from tests.contracts import openapi

CHECK_SECONDS_MAX = 120
SERVICES_ARE = 6
"""Intake, routing, escalation, SLA watch, feedback survey, audit: each has an API."""


def test_no_services_document_is_stale() -> None:
    assert len(openapi.built()) == SERVICES_ARE
    said = subprocess.run(
        [sys.executable, "-m", "tests.contracts.openapi", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS_MAX,
        check=False,
    )
    assert said.returncode == 0, (
        f"run `python -m tests.contracts.openapi`: {said.stdout}{said.stderr[-2000:]}"
    )


@pytest.mark.parametrize("service", openapi.built())
def test_a_services_document_is_valid(service: str) -> None:
    validate(json.loads((ROOT / OPENAPI / f"{service}.json").read_text("utf-8")))


# --- how documents are gathered, on a service of its own ------------------------------------


class Answer(BaseModel):
    """What it says."""

    words: str


def toy(settings: RuntimeSettings, clock: Clock) -> App:
    router = Router()

    @router.get("/words", dependencies=[allow("audit.verify")])
    def read_words() -> Answer:
        """What it has to say."""
        return Answer(words="hello")

    service = Service("audit", deciders=(), types={}, housekeeping=HOUSEKEEPING)
    return App(service, settings, clock, Interface("A toy", "1", lambda _app: [router]))


@pytest.fixture
def toy_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    main, config = ModuleType("services.audit.main"), ModuleType("services.audit.config")
    main.build = toy  # type: ignore[attr-defined]
    config.Settings = RuntimeSettings  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "services.audit.main", main)
    monkeypatch.setitem(sys.modules, "services.audit.config", config)
    make_signing_key(tmp_path)
    return openapi.document_of("audit", tmp_path)


def test_a_document_is_made_without_starting_the_service(toy_document: Any) -> None:
    assert toy_document["info"]["title"] == "A toy"
    assert "/words" in toy_document["paths"]
    validate(toy_document)


def test_the_validator_finds_a_document_that_is_wrong(toy_document: Any) -> None:
    toy_document["paths"]["/words"]["get"]["responses"] = "none"
    with pytest.raises(OpenAPIValidationError):
        validate(toy_document, cls=OpenAPIV31SpecValidator)


def test_a_document_is_written_once_and_found_stale_when_it_changes(
    toy_document: Any, tmp_path: Path
) -> None:
    path = OPENAPI / "audit.json"
    assert write_openapi({"audit": toy_document}, tmp_path) == [path]
    assert write_openapi({"audit": toy_document}, tmp_path) == []
    assert json.loads((tmp_path / path).read_text("utf-8")) == toy_document
    toy_document["info"]["title"] = "Another"
    assert write_openapi({"audit": toy_document}, tmp_path) == [path]


def test_settings_that_nobody_gave_a_value_are_named(tmp_path: Path) -> None:
    class Demanding(RuntimeSettings):
        moon_phase: str

    with pytest.raises(AssertionError, match="moon_phase"):
        openapi.settings(Demanding, tmp_path)
