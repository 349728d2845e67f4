from __future__ import annotations

import pytest

from egide.border.face.engine import Engine, engine


@pytest.fixture(scope="package")
def sface() -> Engine:
    """Loaded once: it takes about a second."""
    return engine("sface")
