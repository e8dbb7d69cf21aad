"""A real Docker engine for tests, apart from the machine's: no bridge, no iptables, its own folder and socket."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docker import APIClient

from tests.executors.services.process import ServerProcess
from tests.support import wait_until

IMAGE = "bb:1"
_APPLETS = ("sh", "cat", "dd", "echo", "env", "head", "id", "pwd", "seq", "sleep", "tail", "touch", "true", "yes")


class DockerEngine(ServerProcess):
    """A ``dockerd`` with its own containerd; *flags* are added to its command line. Keeps its data through ``kill``."""

    start_timeout = 60.0

    def __init__(self, flags: Sequence[str] = ()) -> None:
        assert os.geteuid() == 0, "dockerd needs root: run the tests as root, or in a virtual machine (CI does)"
        assert shutil.which("dockerd"), "no dockerd on PATH; ./scripts/test installs it (Debian package docker.io)"
        assert Path("/bin/busybox").exists(), "no /bin/busybox; ./scripts/test installs it (package busybox-static)"
        self._flags = flags
        self._api: Any = None
        super().__init__()
        try:
            self.api.import_image_from_data(_busybox(), repository="bb", tag="1")
        except BaseException:
            self.stop()
            raise

    @property
    def host(self) -> str:
        """The address of its socket."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def api(self) -> Any:
        """A client of the test's own, until the engine ends."""
        if self._api is None:
            self._api = APIClient(base_url=self.host, version="1.41", timeout=20)
        return self._api

    def command(self) -> list[str | Path]:
        paths = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
        return [
            "dockerd", "-H", self.host, *(f"--{flag}={self.folder / path}" for flag, path in paths.items()),
            "--group=root", "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
            "--ip-masq=false", "--userland-proxy=false", "--log-level=warn", *self._flags,
        ]  # fmt: skip

    def ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(f"{self.folder}/docker.sock"):
                return False
        return bool(self.api.ping())

    def containers(self) -> list[str]:
        """The names of all containers, running or not."""
        return [container["Names"][0].lstrip("/") for container in self.api.containers(all=True)]

    def wait_for_container(self, part: str = "") -> str:
        """The name of a container that runs."""
        return str(
            wait_until(
                lambda: next(
                    (one["Names"][0].lstrip("/") for one in self.api.containers() if part in one["Names"][0]), ""
                ),
                description="a container runs",
            )
        )

    def variant(self, *variables: str) -> str:
        """An image as ``IMAGE`` with more variables; its name."""
        changes = [f"ENV {variable}" for variable in variables]
        self.api.import_image_from_data(_busybox(), repository="bb", tag="variant", changes=changes)
        return "bb:variant"

    def kill(self) -> None:
        """End engine and containerd as a crash would; containers go on until the engine is back."""
        if self.process is None:
            return
        self._hang_up()
        children = _children(self.process.pid)
        self.thaw()
        super().kill()
        for child in children:
            os.kill(child, signal.SIGKILL)
            wait_until(lambda child=child: _ended(child), description="containerd has ended")
        for left in ("docker.pid", "exec/containerd/containerd.pid"):  # dockerd would wait for their processes
            (self.folder / left).unlink(missing_ok=True)

    def stop(self) -> None:
        if self.process is not None:
            self.thaw()
            for name in self.containers():
                self.api.remove_container(name, force=True)
            self._hang_up()
        super().stop()
        for line in Path("/proc/mounts").read_text().splitlines():
            if str(self.folder) in (mount := line.split()[1]):
                subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hang_up(self) -> None:
        if self._api is not None:
            self._api.close()
            self._api = None


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        if task.name != str(pid)
        for child in (task / "children").read_text().split()
    ]


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _busybox() -> bytes:
    """An image without a registry: a file system with a static busybox, as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(Path("/bin/busybox").resolve(), "bin/busybox")
        for name in _APPLETS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        users = b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        tar.addfile(entry, io.BytesIO(users))
    return buffer.getvalue()
