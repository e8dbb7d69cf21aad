"""The settings of a deployment, and where their values come from."""

from dkronpy.settings.settings import Settings, Sources, env_name, load_settings, setting_names

__all__ = ["Settings", "Sources", "env_name", "load_settings", "setting_names"]
