"""Clips shared by the media tests, encoded once, and the tools that make and send them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module synthetic.py beside this file (tests are no package, so it cannot be imported by name)."""
    name = "egide_media_synthetic"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("synthetic.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def plain(synthetic) -> bytes:
    """30 pictures, 320×240 at 25 per second, a key frame every 10."""
    return synthetic.make_ts()


@pytest.fixture(scope="session")
def with_klv(synthetic) -> bytes:
    """The same with one KLV packet a picture."""
    return synthetic.make_ts(with_klv=True)


@pytest.fixture(scope="session")
def with_audio(synthetic) -> bytes:
    """The same with a silent sound track."""
    return synthetic.make_ts(with_audio=True)
