"""Creates the three topics on a broker that runs elsewhere, and says what is wrong with them.

For the compose file; on one machine `bihuan up` does it. Settings by environment, named as the
services': BIHUAN_KAFKA_BOOTSTRAP, BIHUAN_PARTITIONS, BIHUAN_MIN_INSYNC_REPLICAS; and
BIHUAN_REPLICATION_FACTOR.
"""

import os
import sys
import time
from collections.abc import Mapping

from confluent_kafka import KafkaException

from libs.messaging.topics import (
    PARTITIONS_ONE_MACHINE,
    assert_topics,
    create_topics,
    wanted_topics,
)

PATIENCE_S = 90.0


def main(environment: Mapping[str, str]) -> int:
    """0 when the topics are as they must be, 1 when not; raises when no broker answers in time."""
    bootstrap = environment["BIHUAN_KAFKA_BOOTSTRAP"]
    wanted = wanted_topics(
        int(environment.get("BIHUAN_PARTITIONS", PARTITIONS_ONE_MACHINE)),
        min_insync_replicas=int(environment.get("BIHUAN_MIN_INSYNC_REPLICAS", "1")),
    )
    replicas = int(environment.get("BIHUAN_REPLICATION_FACTOR", "1"))
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            create_topics(bootstrap, wanted, replication_factor=replicas, timeout_s=10.0)
            problems = assert_topics(bootstrap, wanted)
            break
        except KafkaException as error:  # a broker that has just opened its port
            if time.monotonic() > deadline:
                raise
            sys.stderr.write(f"waiting for {bootstrap}: {error}\n")
            time.sleep(1.0)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if not problems:
        sys.stdout.write(f"topics are ready: {', '.join(topic.name for topic in wanted)}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
