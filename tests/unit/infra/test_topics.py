"""The topics are what DESIGN (Relay) demands."""

from libs.messaging.topics import wanted_topics


def test_the_log_is_kept_whole_and_for_ever() -> None:
    log = wanted_topics()[0]
    assert (log.name, log.partitions) == ("complaints.log", 12)
    assert log.config["cleanup.policy"] == "delete"
    assert log.config["retention.ms"] == "-1"
    assert log.config["retention.bytes"] == "-1"
    assert log.config["message.timestamp.type"] == "LogAppendTime"


def test_customers_words_in_clear_are_gone_soon_after_72_hours() -> None:
    channel = wanted_topics()[1]
    assert channel.name == "complaints.channel"
    assert channel.config["retention.ms"] == "259200000"
    assert channel.config["segment.ms"] == "3600000"  # else an open segment keeps them for days
    assert int(channel.config["max.message.bytes"]) > 1024 * 1024


def test_a_prefix_sets_tests_apart() -> None:
    names = [topic.name for topic in wanted_topics(3, prefix="t1.")]
    assert names == ["t1.complaints.log", "t1.complaints.channel", "t1.complaints.outbound"]
