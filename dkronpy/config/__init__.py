"""A configuration: the files that define jobs, read and checked."""

from dkronpy.config.load import ConfigInvalidError, LoadedConfig, full_check, load_jobs

__all__ = ["ConfigInvalidError", "LoadedConfig", "full_check", "load_jobs"]
