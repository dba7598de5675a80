"""Paths of any platform."""

from __future__ import annotations

import pytest

from tray.core.paths import base_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/srv/shop", "shop"),
        ("/srv/shop/", "shop"),
        ("C:\\Users\\a\\shop", "shop"),
        ("C:\\Users\\a\\shop\\", "shop"),
        ("C:/Users\\shop", "shop"),
        ("shop", "shop"),
        ("/", ""),
        ("", ""),
    ],
)
def test_the_base_name_is_the_last_component_on_any_platform(path: str, name: str) -> None:
    assert base_name(path) == name
