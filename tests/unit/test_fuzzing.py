"""Some hundred random inputs for each reader of what others send; tests/fuzzing.py runs a hundred thousand."""

from __future__ import annotations

import pytest

import fuzzing

SEED = 20261128


@pytest.mark.parametrize("name", fuzzing.READERS)
def test_each_input_is_taken_or_refused(name: str) -> None:
    fuzzing.run(name, SEED, 400)
