"""Where the values of secrets come from, on the machine that needs them and nowhere else."""

from dkronpy.secrets.resolver import SecretResolver

__all__ = ["SecretResolver"]
