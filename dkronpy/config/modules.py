"""Runs configuration files as Python modules, each on its own, and leaves no trace of it in the process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from dkronpy.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ConfigSource:
    """What a configuration consists of.

    ``modules`` are the Python files with the dotted names that they are imported by; ``sys_path`` is the
    folder that makes those names importable, here and on the nodes; ``package`` is the name and folder of
    the files' package where that has no ``__init__.py``.
    """

    modules: tuple[tuple[str, Path], ...]
    json_files: tuple[Path, ...] = ()
    sys_path: str
    package: tuple[str, Path] | None = None


def find_source(source: str | Path) -> ConfigSource:
    """The files that *source* means: a folder, a ``.py`` or ``.json`` file, or a dotted module name.

    A folder stands for all its ``*.py`` and ``*.json`` that do not begin with ``_`` or ``.``, sorted, without
    ``settings.py``; its Python files are modules of a package that has the folder's name. Raises ConfigError.
    """
    path = Path(source)
    if path.is_dir():
        return _folder(path.resolve())
    if path.is_file():
        file = path.resolve()
        if file.suffix == ".json":
            return ConfigSource(modules=(), json_files=(file,), sys_path=str(file.parent))
        if file.suffix != ".py":
            raise ConfigError(f"{source} is neither Python nor JSON", hint="accepted: a folder, *.py, *.json, a module")
        _refuse_taken(file.stem, file)
        return ConfigSource(modules=((file.stem, file),), sys_path=str(file.parent))
    return _dotted(str(source))


def _folder(folder: Path) -> ConfigSource:
    name = folder.name.replace(".", "_")
    _refuse_taken(name, folder)
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] not in "_.")
    modules = tuple((f"{name}.{file.stem}", file) for file in files if file.suffix == ".py" and file.stem != "settings")
    json_files = tuple(file for file in files if file.suffix == ".json")
    init = folder / "__init__.py"
    package = None if init.is_file() else (name, folder)
    modules = modules if package else ((name, init), *modules)
    return ConfigSource(modules=modules, json_files=json_files, sys_path=str(folder.parent), package=package)


def _dotted(name: str) -> ConfigSource:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"there is no configuration {name}", hint="accepted: a folder, *.py, *.json, or a module")
    with _importing(str(Path.cwd()), set()):
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        raise ConfigError(f"there is no file, folder or module {name}", hint="dkronpy --config PATH names it")
    modules = [] if spec.origin is None else [(name, Path(spec.origin))]
    for place in spec.submodule_search_locations or ():
        files = sorted(file for file in Path(place).glob("*.py") if not file.name.startswith("_"))
        modules += [(f"{name}.{file.stem}", file) for file in files if file.stem != "settings"]
    return ConfigSource(modules=tuple(modules), sys_path=str(Path.cwd()))


def _refuse_taken(name: str, path: Path) -> None:
    if name in sys.stdlib_module_names:
        raise ConfigError(f"{path} has the name of Python's own module {name!r}", hint="give it another name")


@contextmanager
def imported(source: ConfigSource) -> Iterator[None]:
    """Within the block the modules of *source* can be imported, afresh; afterwards the process is as
    before.
    """
    names = {module for module, _ in source.modules} | ({source.package[0]} if source.package else set())
    with _importing(source.sys_path, names):
        if source.package is not None:
            sys.modules[source.package[0]] = _package(*source.package)
        yield


def _package(name: str, folder: Path) -> ModuleType:
    """The package of the folder's files, made by hand: another one of its name may be installed and
    come first.
    """
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return importlib.util.module_from_spec(spec)


@contextmanager
def _importing(folder: str, names: set[str]) -> Iterator[None]:
    """Imports look into *folder* first, find none of *names* loaded, and write no bytecode beside the
    user's files.
    """

    def ours(module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in names)

    before = {module: sys.modules.pop(module) for module in list(sys.modules) if ours(module)}
    path, write_no_bytecode = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = write_no_bytecode
        for module in [module for module in sys.modules if ours(module)]:
            del sys.modules[module]
        sys.modules.update(before)
