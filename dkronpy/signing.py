"""Signed definitions: who can write to the store can still not run programs of their own on the nodes.

Whoever saves a job signs it with the private key of the deployment (Ed25519); a node that knows the public key runs
nothing else. A signature covers the name of the job, the revision, and every byte of the definition, its targets
included. It stands behind the definition, on a line of its own, so that it goes wherever that goes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dkronpy.errors import ConfigError, DkronpyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_SCHEME = b"ed25519"
_CONTEXT = b"dkronpy definition v1"
_OTHERS = 0o077


class SignatureError(DkronpyError):
    """The definition is not signed by a key that this node trusts."""


def split(stored: bytes) -> tuple[bytes, bytes]:
    """A stored definition without its signature, and the line of the signature; that is empty where there is none."""
    definition, newline, line = stored.rpartition(b"\n")
    return (definition, line) if newline and line.startswith(_SCHEME + b" ") else (stored, b"")


def _message(definition: bytes, job: str, revision: int) -> bytes:
    """What is signed: no two of these three can be told apart otherwise, since each is preceded by its length."""
    parts = (_CONTEXT, job.encode(), str(revision).encode(), definition)
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def key_id(public: bytes) -> str:
    """The name of a key: the beginning of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


class Signer:
    """Holds the private key of a deployment."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()
        self.id = key_id(self.public.public_bytes_raw())

    @classmethod
    def load(cls, path: str | Path) -> Signer:
        """The signer whose key is in a PEM file. Raises ConfigError that names the file."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = Path(path)
        try:
            mode = path.stat().st_mode
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise ConfigError(f"signing_key {path} cannot be read: {error.strerror}") from None
        except (ValueError, TypeError):
            raise ConfigError(f"signing_key {path} holds no private key in PEM form", hint=_NEW) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"signing_key {path} is no Ed25519 key", hint=_NEW)
        if mode & _OTHERS:
            raise ConfigError(f"signing_key {path} can be read by others", hint=f"chmod 600 {path}")
        return cls(key)

    def seal(self, definition: bytes, job: str, revision: int) -> bytes:
        """*definition* with its signature as that revision of that job."""
        signature = self._key.sign(_message(definition, job, revision))
        return b"%b\n%b %b %b" % (definition, _SCHEME, self.id.encode(), base64.b64encode(signature))

    def accepts(self, stored: bytes, job: str, revision: int) -> bool:
        """Whether *stored* bears a signature of this key that fits."""
        return self.verifier().accepts(stored, job, revision)

    def verifier(self) -> Verifier:
        """What trusts this key alone."""
        return Verifier({self.id: self.public})


_NEW = "`dkronpy keys new FILE` makes one"


class Verifier:
    """Holds the public keys that a node trusts, several while keys are changed."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self.keys = dict(keys)

    @classmethod
    def load(cls, places: str) -> Verifier:
        """The keys in PEM files, or in all ``*.pub`` of a folder; several places are separated by commas.

        Raises ConfigError for a place that cannot be read or holds no key: a node must not trust nobody by mistake.
        """
        keys: dict[str, Ed25519PublicKey] = {}
        for place in filter(None, (part.strip() for part in places.split(","))):
            path = Path(place)
            files = sorted(path.glob("*.pub")) if path.is_dir() else [path]
            if not files:
                raise ConfigError(f"trusted_keys: the folder {place} holds no *.pub")
            for file in files:
                public = _public(file)
                keys[key_id(public.public_bytes_raw())] = public
        return cls(keys)

    def check(self, stored: bytes, job: str, revision: int) -> None:
        """Raise SignatureError unless *stored* was signed, as that revision of that job, by a key that is trusted."""
        from cryptography.exceptions import InvalidSignature

        definition, line = split(stored)
        if not line:
            raise SignatureError(f"the definition of {job!r} is not signed, and this node runs only signed ones")
        try:
            _, name, text = line.split(b" ")
            signature = base64.b64decode(text, validate=True)
        except ValueError:
            raise SignatureError(f"the signature of {job!r} cannot be read") from None
        key = self.keys.get(name.decode("ascii", "replace"))
        if key is None:
            raise SignatureError(f"the definition of {job!r} is signed by a key that this node does not trust")
        try:
            key.verify(signature, _message(definition, job, revision))
        except InvalidSignature:
            raise SignatureError(
                f"the signature of {job!r} does not fit: the definition, its name or its revision was changed"
            ) from None

    def accepts(self, stored: bytes, job: str, revision: int) -> bool:
        """Whether ``check`` has nothing against it."""
        try:
            self.check(stored, job, revision)
        except SignatureError:
            return False
        return True


def _public(file: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"trusted_keys: {file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise ConfigError(f"trusted_keys: {file} holds no public key in PEM form", hint=_PUBLIC) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"trusted_keys: {file} is no Ed25519 key", hint=_PUBLIC)
    return key


_PUBLIC = "`dkronpy keys public FILE` prints that of a private one"
