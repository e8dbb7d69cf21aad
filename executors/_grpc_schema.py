"""The types of a gRPC server as far as they are needed: from its reflection service, or from a file."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.values import did_you_mean

_FRESH = 60.0


class Source(Protocol):
    """Where descriptors come from."""

    def containing(self, symbol: str) -> Iterable[bytes]:
        """The file that defines *symbol*, perhaps with others, serialized. Raises KeyError if there is none."""
        ...

    def named(self, file: str) -> Iterable[bytes]:
        """The file of that name, as above."""
        ...

    def services(self) -> list[str]:
        """The full names of the services."""
        ...


class Schema:
    """Descriptors that were fetched, and what can be done with them; used by several threads."""

    def __init__(self) -> None:
        self._made = time.monotonic()
        self._lock = threading.RLock()
        self._pool = descriptor_pool.DescriptorPool()
        self._known: set[str] = set()

    @property
    def is_old(self) -> bool:
        """Whether the server may well have changed since."""
        return time.monotonic() - self._made > _FRESH

    def method(self, service: str, method: str, source: Source) -> Any:
        """The descriptor of a method. Raises ExecutorError with the names that there are."""
        with self._lock:
            try:
                found = self._find(self._pool.FindServiceByName, service, source)
            except KeyError:
                names = source.services()
                raise _unknown("service", service, names) from None
        if method not in found.methods_by_name:
            raise _unknown(f"method of {service}", method, sorted(found.methods_by_name))
        return found.methods_by_name[method]

    def parse(self, value: Any, kind: Any, source: Source) -> Any:
        """The message of the type *kind* that the JSON *value* stands for. Raises json_format.ParseError."""
        for url in _urls_in(value):
            self._load_type(url, source)
        return json_format.ParseDict(value, message_factory.GetMessageClass(kind)(), descriptor_pool=self._pool)

    def render(self, message: Any, source: Source) -> str:
        """*message* as JSON on one line."""
        for url in _any_urls(message):
            self._load_type(url, source)
        return str(json_format.MessageToJson(message, indent=None, ensure_ascii=False, descriptor_pool=self._pool))

    def _load_type(self, url: str, source: Source) -> None:
        try:
            with self._lock:
                self._find(self._pool.FindMessageTypeByName, url.rpartition("/")[2], source)
        except KeyError:
            pass  # protobuf says which type it does not know

    def _find(self, find: Callable[[str], Any], symbol: str, source: Source) -> Any:
        try:
            return find(symbol)
        except KeyError:
            self._add(source.containing(symbol), source)
            return find(symbol)

    def _add(self, files: Iterable[bytes], source: Source) -> None:
        """Add files to the pool, each after those that it imports."""
        given = {}
        for data in files:
            file = FileDescriptorProto.FromString(data)
            given[file.name] = file
        for file in given.values():
            self._add_file(file, given, source)

    def _add_file(self, file: Any, given: dict[str, Any], source: Source) -> None:
        if file.name in self._known:
            return
        self._known.add(file.name)
        try:
            for name in file.dependency:
                if name in self._known:
                    continue
                if name not in given:
                    for data in _imported(name, source):
                        found = FileDescriptorProto.FromString(data)
                        given[found.name] = found
                self._add_file(given[name], given, source)
            self._pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            raise ExecutorError(f"the descriptors of {file.name} cannot be used: {error}", retryable=False) from None
        except BaseException:
            self._known.discard(file.name)
            raise


class DescriptorFile:
    """A FileDescriptorSet as ``protoc --include_imports --descriptor_set_out=FILE`` writes it."""

    def __init__(self, path: str) -> None:
        try:
            files = FileDescriptorSet.FromString(Path(path).read_bytes()).file
        except OSError as error:
            raise ExecutorError(f"descriptors: cannot read {path}: {error.strerror}") from None
        except DecodeError:
            files = []
        if not files:
            raise ExecutorError(f"descriptors: {path} holds no FileDescriptorSet", retryable=False)
        self._path = path
        self._files = {file.name: file for file in files}

    def containing(self, symbol: str) -> Iterable[bytes]:
        """Every file if one of them defines the symbol: there is nothing to fetch."""
        if not any(symbol in _symbols(file) for file in self._files.values()):
            raise KeyError(symbol)
        return [file.SerializeToString() for file in self._files.values()]

    def named(self, file: str) -> Iterable[bytes]:
        """The file of that name."""
        if file not in self._files:
            raise ExecutorError(
                f"descriptors: {self._path} lacks {file}; make it with protoc --include_imports", retryable=False
            )
        return [self._files[file].SerializeToString()]

    def services(self) -> list[str]:
        """The full names of the services."""
        return [_full(file, service.name) for file in self._files.values() for service in file.service]


def _imported(name: str, source: Source) -> Iterable[bytes]:
    if name.startswith("google/protobuf/"):  # the well-known types come with protobuf
        try:
            module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        except ModuleNotFoundError:
            pass
        else:
            return [module.DESCRIPTOR.serialized_pb]
    return source.named(name)


def _symbols(file: Any) -> set[str]:
    names = {_full(file, entry.name) for entry in [*file.service, *file.message_type, *file.enum_type]}
    nested = [(_full(file, message.name), message) for message in file.message_type]
    while nested:
        prefix, message = nested.pop()
        for inner in message.nested_type:
            names.add(f"{prefix}.{inner.name}")
            nested.append((f"{prefix}.{inner.name}", inner))
    return names


def _full(file: Any, name: str) -> str:
    return f"{file.package}.{name}" if file.package else name


def _unknown(what: str, name: str, known: list[str]) -> ExecutorError:
    parts = [
        f"there is no {what} called {name}",
        f"known: {', '.join(known)}" if known else "",
        did_you_mean(name, known),
    ]
    return ExecutorError("; ".join(filter(None, parts)), retryable=False)


def _urls_in(value: Any) -> Iterator[str]:
    """The type URLs of every ``Any`` in a JSON value."""
    if isinstance(value, dict):
        if isinstance(url := value.get("@type"), str):
            yield url
        for item in value.values():
            yield from _urls_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _urls_in(item)


def _any_urls(message: Any) -> Iterator[str]:
    """The type URLs of every ``Any`` in a message."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        yield message.type_url
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = list(value.values()) if field.message_type.fields_by_name["value"].message_type else []
        else:
            values = value if _is_repeated(field) else [value]
        for inner in values:
            yield from _any_urls(inner)


def _is_repeated(field: Any) -> bool:
    # protobuf 6.31 replaced the label by a property, and warns of the label since.
    known = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if known is None else known)
