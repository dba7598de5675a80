"""The soak for five minutes in CI, and for seconds elsewhere; `python tests/soak.py` runs it for an hour."""

from __future__ import annotations

import os
import sys

import pytest

from soak import parse, soak
from soak_measures import growth

IS_CI = os.environ.get("CI") == "true"
MINUTES = 5.0 if IS_CI else 20 / 60
CYCLE = 1000 if IS_CI else 250  # actions between two measurements

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it measures a process of Linux")


@pytest.mark.timeout(MINUTES * 60 + 240)
def test_a_fleet_with_faults_is_shown_as_it_is_and_nothing_grows() -> None:
    result = soak(parse(["--minutes", str(MINUTES), "--cycle", str(CYCLE), "--seed", "20261128"]))
    assert not result.error, result.error
    assert growth(result.samples) == []
