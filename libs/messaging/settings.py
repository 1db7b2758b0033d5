"""What every service is told from outside: where things are, never how rules go."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RuntimeSettings(BaseSettings):
    """Settings of one instance of one service; environment variables `BIHUAN_<NAME>`.

    Everything listens on 127.0.0.1 unless told otherwise.
    """

    model_config = SettingsConfigDict(env_prefix="BIHUAN_", extra="ignore")

    postgres_dsn: SecretStr = Field(description="libpq URI of this service's own database")
    kafka_bootstrap: str = Field(description="host:port[,host:port]")
    broker: str = Field(default="kafka", pattern="^(kafka|memory)$")
    partitions: int = Field(default=12, ge=1, le=1000)
    topic_prefix: str = Field(default="", max_length=40)
    min_insync_replicas: int = Field(default=1, ge=1)
    instance: str | None = Field(default=None, description="static membership in the group")
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=0, ge=0, le=65535, description="0 takes a free one")
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535)
    jwks: str = Field(description="path or https URL of the JWK Set that signs tokens")
    intake_url: str = Field(default="", description="where /seal and /open are")
    service_token_file: Path | None = Field(
        default=None, description="a bearer token of role `service`, read again when it changes"
    )
    otlp_endpoint: str = Field(default="", description="OTLP/HTTP; empty: no spans are exported")
