"""A small service with every kind of route, for the tests of libs.web."""

from pathlib import Path

import pytest

from tests.unit.web.client import Client
from tests.unit.web.sample import Sample, build_sample


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return build_sample(tmp_path)


@pytest.fixture
def client(sample: Sample) -> Client:
    return Client(sample.api)
