"""The kinds of channels: one module in `kinds` for each."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from tray.core.channel_settings import ChannelSettings
from tray.surfaces.channels import kinds
from tray.surfaces.channels.channel import ChannelKind, ChannelSetupError


def kind_names() -> list[str]:
    """Return the names of all kinds."""
    return sorted(module.name for module in pkgutil.iter_modules(kinds.__path__))


def kind_of(name: str) -> ChannelKind:
    """Return a kind. Raises ChannelSetupError."""
    if name not in kind_names():
        raise ChannelSetupError(f"unknown kind of channel {name!r}; use {', '.join(kind_names())}")
    found: ChannelKind = importlib.import_module(f"{kinds.__name__}.{name}").CHANNEL
    return found


def options_of(settings: ChannelSettings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a channel with the secrets from environment variables. Raises ChannelSetupError."""
    kind = kind_of(settings.kind)
    options: dict[str, Any] = {}
    for name, value in settings.options:
        plain = name.removesuffix("_env")
        if plain != name and plain in kind.secrets:
            if not str(value).isidentifier():  # it may be the secret itself: it is not shown
                raise ChannelSetupError(f"{name} is the name of an environment variable")
            if not environment.get(str(value)):
                raise ChannelSetupError(f"the environment variable {value} is not set")
            options[plain] = environment[str(value)]
        elif name in (*kind.needed, *kind.optional, *kind.internal):
            options[name] = value
        else:
            allowed = (*kind.needed, *kind.optional, *(f"{secret}_env" for secret in kind.secrets))
            raise ChannelSetupError(f"unknown field {name}; {kind.title} takes {', '.join(allowed)}")
    for name, value in options.items():
        if not str(value).isprintable():  # such as the line break at the end of a secret that was copied
            raise ChannelSetupError(f"{name} contains a line break or a control character")
    for name in kind.needed:
        if not options.get(name):
            hint = f" or {name}_env" if name in kind.secrets else ""
            raise ChannelSetupError(f"{kind.title} needs {name}{hint}")
    return options
