"""What the audit service is told from outside."""

from pydantic import Field

from libs.messaging.settings import RuntimeSettings


class Settings(RuntimeSettings):
    """Settings of one instance of audit; environment variables `BIHUAN_<NAME>`."""

    verify_sort_mb: int = Field(
        default=32, ge=1, le=4096, description="memory PostgreSQL may sort with while proving"
    )
