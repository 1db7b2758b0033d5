"""Which settings touch what is kept, and how it is shown that none lowers the floor (issue 5)."""

from tests.architecture.test_settings_page import settings

LOWEST = {
    "BIHUAN_LOG_TRIM_HOURS": "1",
    "BIHUAN_ARCHIVE_CACHE_MB": "16",
    "BIHUAN_CHECKPOINT_MINUTES": "1",
    "BIHUAN_VERIFY_SORT_MB": "1",
    "BIHUAN_COMPARE_SECONDS": "0",
}
"""What audit's settings allow at the least, where `bihuan up` sets none: so runs the walk over
every route and verb (tests/e2e/test_no_path_deletes.py)."""

ELSEWHERE = {
    "BIHUAN_PURGE_KEY_FILE": "another key signs nothing that a database believes: "
    "tests/integration/keeper/test_purging.py::test_a_key_that_was_not_entered_signs_nothing",
    "BIHUAN_ARCHIVE_STORE": "a month leaves only once it was read back from there: "
    "tests/integration/audit/test_cold.py",
    "BIHUAN_POSTGRES_DSN": "as its own role a service deletes nothing: tests/integration/keeper",
}
"""Others that touch what is kept, and where it is shown that they cannot lower the floor."""

BESIDE_THE_POINT = {
    *("KAFKA_BOOTSTRAP", "BROKER", "PARTITIONS", "TOPIC_PREFIX", "MIN_INSYNC_REPLICAS"),
    *("INSTANCE", "API_HOST", "API_PORT", "HEALTH_HOST", "HEALTH_PORT"),
    *("JWKS", "INTAKE_URL", "SERVICE_TOKEN_FILE", "OTLP_ENDPOINT", "VAULT_DSN", "VAULT_KEY_FILE"),
    *("SERVICE_URLS", "CHECKPOINT_KEY_FILE", "CHECKPOINT_ORIGIN", "CHECKPOINT_DROP"),
    *("CHECKPOINT_WEBHOOK", "CHECKPOINT_TSA", "CHECKPOINT_TSA_ROOTS", "ARCHIVE_CACHE"),
    *("ARCHIVE_BUCKET_ENDPOINT", "ARCHIVE_BUCKET_REGION", "ARCHIVE_BUCKET_KEY_ID"),
    "ARCHIVE_BUCKET_SECRET",
}
"""Where servers, keys and copies are, who may come in: nothing that decides about a record."""

UNKNOWN = {
    "BIHUAN_RETENTION_MONTHS": "0",
    "BIHUAN_RETENTION_DAYS": "0",
    "BIHUAN_FLOOR_MONTHS": "0",
    "BIHUAN_FLOOR_DAYS": "0",
    "BIHUAN_QUIET_MONTHS": "0",
    "BIHUAN_LOG_DAYS": "0",
}
"""What somebody would try who hopes that there is such a setting."""


def test_every_setting_is_one_of_these() -> None:
    """A new setting is looked at here first: can it lower the floor?"""
    others = {f"BIHUAN_{one}" for one in BESIDE_THE_POINT}
    assert settings() == LOWEST.keys() | ELSEWHERE.keys() | others
    assert not settings() & UNKNOWN.keys()
