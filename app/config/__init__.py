"""The settings. Read once by the command line with `load_settings`; everything else is handed a `Settings`."""

from app.config.load import env_example, load_settings, setting_warnings, tool_environment
from app.config.settings import KEYS, Settings

__all__ = ["KEYS", "Settings", "env_example", "load_settings", "setting_warnings", "tool_environment"]
