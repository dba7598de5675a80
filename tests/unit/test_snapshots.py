"""Snapshot frames with sections of a wrong type."""

from __future__ import annotations

import pytest

from tray.core.servers import Service
from tray.opencode.services import MAX_SERVICES
from tray.sources.protocol.snapshot import decode_snapshot


@pytest.mark.parametrize("frame", [b'{"mcp":7}', b'{"lsp":{}}', b'{"mcp":[],"lsp":"none"}'])
def test_mcp_and_lsp_sections_of_a_wrong_type_are_absent(frame: bytes) -> None:
    assert decode_snapshot("server", frame, 0).services is None


def test_the_lsp_section_is_read_without_a_valid_mcp_section() -> None:
    services = decode_snapshot("server", b'{"mcp":7,"lsp":[{"id":"ruff","status":"connected"}]}', 0).services
    assert services == (Service("lsp", "ruff", "connected"),)


def test_no_more_than_100_services_are_read() -> None:
    frame = b'{"mcp":{},"lsp":[' + b",".join([b'{"id":"x"}'] * 1_001) + b"]}"
    services = decode_snapshot("server", frame, 0).services
    assert services is not None
    assert len(services) == MAX_SERVICES == 100
