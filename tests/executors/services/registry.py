"""A real registry of images for tests (Debian's docker-registry), on loopback, for one user with a password."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.executors.services.process import ServerProcess

USER, PASSWORD = "ci", "s3cret-of-registry"
_HASHED = "$2b$04$Pmo83FEsRf/kjJNf1O29J.bfaMVLLaE/Hbm/qRDmXwjj6uGJhShtW"


class RegistryServer(ServerProcess):
    """A registry with its images in its folder."""

    def command(self) -> list[str | Path]:
        assert shutil.which("docker-registry"), "no docker-registry on PATH; ./scripts/test installs it"
        (self.folder / "users").write_text(f"{USER}:{_HASHED}\n")
        config = self.folder / "config.yml"
        config.write_text(
            "version: 0.1\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/images}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'}}\n"
            f"auth: {{htpasswd: {{realm: tests, path: {self.folder}/users}}}}\n"
        )
        return ["docker-registry", "serve", config]

    def push(self, api: Any, local: str, image: str, tag: str) -> None:
        """Push the engine's image *local* as *image* and remove that name from the engine."""
        api.tag(local, image, tag, force=True)
        said = api.push(image, tag, auth_config={"username": USER, "password": PASSWORD}, stream=True, decode=True)
        assert not [item for item in said if "error" in item]
        api.remove_image(f"{image}:{tag}")
