"""The messages of a gRPC service for tests, ``acme.reports.v1.Reports``, described without a compiler."""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pool, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

SERVICE = "acme.reports.v1.Reports"
METHODS = {"Build": (False, False), "Watch": (False, True), "Upload": (True, False), "Chat": (True, True)}
"""Each method, with whether it takes a stream and whether it gives one."""
_TIME, _ANY = ".google.protobuf.Timestamp", ".google.protobuf.Any"
_TYPES = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}


def _message(file: Any, name: str, fields: dict[str, str]) -> None:
    message = file.message_type.add(name=name)
    for number, (field, declared) in enumerate(fields.items(), 1):
        repeated, kind = declared.endswith("[]"), declared.removesuffix("[]")
        added = message.field.add(name=field, number=number)
        added.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        added.type = _TYPES.get(kind, FieldDescriptorProto.TYPE_MESSAGE)
        if kind not in _TYPES:
            added.type_name = kind


def types_file() -> Any:
    """The file that holds the messages; another imports it."""
    file = FileDescriptorProto(name="acme/reports/v1/types.proto", package="acme.reports.v1", syntax="proto3")
    file.dependency.extend(["google/protobuf/timestamp.proto", "google/protobuf/any.proto"])
    asked = {"day": "string", "status": "int32", "parts": "string[]", "since": _TIME, "blob": "bytes", "extra": _ANY}
    _message(file, "Ask", asked)
    _message(file, "Reply", {"text_line": "string", "count": "int32", "extra": _ANY})
    _message(file, "Note", {"remark": "string"})
    return file


def service_file() -> Any:
    """The file that holds the service."""
    file = FileDescriptorProto(name="acme/reports/v1/service.proto", package="acme.reports.v1", syntax="proto3")
    file.dependency.append("acme/reports/v1/types.proto")
    service = file.service.add(name="Reports")
    for name, (takes, gives) in METHODS.items():
        service.method.add(
            name=name,
            input_type=".acme.reports.v1.Ask",
            output_type=".acme.reports.v1.Reply",
            client_streaming=takes,
            server_streaming=gives,
        )
    return file


def descriptor_set(*, imports: bool = True) -> bytes:
    """What ``protoc --include_imports --descriptor_set_out`` would write; without *imports* only the service."""
    files = [service_file()]
    if imports:
        files = [*(_copy(module) for module in (timestamp_pb2, any_pb2)), types_file(), *files]
    return bytes(FileDescriptorSet(file=files).SerializeToString())


def pool() -> Any:
    """A pool that knows the service."""
    made = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptor_set()).file:
        made.AddSerializedFile(file.SerializeToString())
    return made


def message_class(known: Any, name: str) -> Any:
    """The class of the message ``Ask``, ``Reply`` or ``Note``."""
    return GetMessageClass(known.FindMessageTypeByName(f"acme.reports.v1.{name}"))


def _copy(module: Any) -> Any:
    file = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file
