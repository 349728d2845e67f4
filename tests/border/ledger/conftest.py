"""A consortium of four in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.border.ledger.consortium import Consortium


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Consortium]:
    made = Consortium(tmp_path / "members")
    assert made.settle(lambda: all(each.joined for each in made.authorities.values()))
    yield made
    made.close()
