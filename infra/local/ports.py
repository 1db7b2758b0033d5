"""Ports on 127.0.0.1 that stay ours while the server behind them is down."""

import random
import socket
from pathlib import Path

LOWEST = 20_000
EPHEMERAL_DEFAULT = 32_768


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A free port below the ephemeral range. Raises OSError when 200 tries find none.

    Not one from port 0: those are ephemeral, and while the server is stopped a client that keeps
    reconnecting may be given the very port as its own, connect to itself, and hold it.
    """
    highest = _ephemeral_low() - 1
    for _ in range(200):
        port = random.randint(LOWEST, highest)  # noqa: S311 - not a secret
        if is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {highest} on 127.0.0.1")


def _ephemeral_low() -> int:
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range")
    low = int(setting.read_text().split()[0]) if setting.exists() else EPHEMERAL_DEFAULT
    return low if low > LOWEST + 1000 else EPHEMERAL_DEFAULT
