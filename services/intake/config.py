"""What the intake service is told from outside."""

from pathlib import Path

from pydantic import Field, SecretStr

from libs.messaging.settings import RuntimeSettings


class Settings(RuntimeSettings):
    """`BIHUAN_*` variables of intake, which also keeps the vault."""

    vault_dsn: SecretStr = Field(description="libpq URI of the vault's own database")
    vault_key_file: Path = Field(description="the key that wraps persons' keys, mode 0600")
