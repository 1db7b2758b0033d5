"""The container's health check: is the service ready? Standard library only, quick to start."""

import http.client
import os
import sys

TIMEOUT_S = 4.0


def main() -> int:
    """0 when `/health/ready` on this container's health port answers 200, else 1."""
    port = int(os.environ.get("BIHUAN_HEALTH_PORT", "8081"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        words = answer.read(2000).decode("utf-8", "replace")
    except OSError as error:
        words, ready = f"no answer: {error}", False
    else:
        ready = answer.status == http.HTTPStatus.OK
    finally:
        connection.close()
    sys.stdout.write(f"{words}\n")
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main())
