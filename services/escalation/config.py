"""What the escalation service is told from outside."""

from libs.messaging.settings import RuntimeSettings


class Settings(RuntimeSettings):
    """`BIHUAN_*` variables; this service needs nothing beyond what every service needs."""
