"""What the audit service is told from outside."""

from pathlib import Path

from pydantic import Field, SecretStr

from libs.messaging.settings import RuntimeSettings


class Settings(RuntimeSettings):
    """Settings of one instance of audit; environment variables `BIHUAN_<NAME>`."""

    verify_sort_mb: int = Field(
        default=32, ge=1, le=4096, description="memory PostgreSQL may sort with while proving"
    )
    checkpoint_key_file: Path | None = Field(
        default=None, description="Ed25519, made at the first start; None: nothing is sealed"
    )
    purge_key_file: Path | None = Field(
        default=None, description="Ed25519, made at the first start; None: nothing can be purged"
    )
    checkpoint_origin: str = Field(
        default="bihuan/audit", pattern=r"^[!-*,-~]{1,64}$", description="this log's name"
    )
    checkpoint_minutes: int = Field(
        default=60, ge=1, le=60, description="an hour (DESIGN, Audit) or more often"
    )
    checkpoint_drop: Path | None = Field(
        default=None, description="a folder that gets each checkpoint as two files"
    )
    service_urls: str = Field(
        default="",
        pattern=r"^([a-z_]+=https?://[^,=\s]+(,[a-z_]+=https?://[^,=\s]+)*)?$",
        description="whose live views are compared with a replay: name=url,name=url; "
        "empty: nobody's",
    )
    compare_seconds: float = Field(
        default=5.0, ge=0.0, le=86_400.0, description="one complaint each so often; 0: none"
    )
    checkpoint_webhook: str = Field(
        default="", pattern=r"^(https?://\S+)?$", description="gets each checkpoint by POST"
    )
    checkpoint_tsa: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="a time-stamping authority (RFC 3161) whose answers go into the drop",
    )
    checkpoint_tsa_roots: Path | None = Field(
        default=None, description="PEM certificates that the authority's must lead to"
    )
    archive_store: str = Field(
        default="",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\S*)?|/.*)?$",
        description="of months' files: a folder, or s3://bucket/prefix; empty: nothing leaves",
    )
    archive_bucket_endpoint: str = Field(
        default="", pattern=r"^(https?://[^\s@]+)?$", description="empty: Amazon's own"
    )
    archive_bucket_region: str = Field(default="", max_length=64)
    archive_bucket_key_id: SecretStr = Field(
        default=SecretStr(""), description="empty: as AWS's own tools find it"
    )
    archive_bucket_secret: SecretStr = Field(default=SecretStr(""))
    archive_cache: Path | None = Field(
        default=None, description="copies of files that lie in a bucket; none: a temporary folder"
    )
    log_trim_hours: int = Field(
        default=24, ge=0, le=720, description="how often Kafka forgets what is archived; 0: never"
    )
    archive_cache_mb: int = Field(
        default=4_096, ge=16, description="the oldest copies make room above this"
    )

    @property
    def compared_with(self) -> dict[str, str]:
        """Service -> where its API is."""
        pairs = (one.partition("=") for one in self.service_urls.split(",") if one)
        return {name: url.rstrip("/") for name, _, url in pairs}
