"""One-off: MediaPipe's small networks (.tflite) as ONNX files that onnxruntime reads, weights in half precision.

``python -m training.mediapipe_to_onnx FOLDER`` reads ``FOLDER/*.tflite`` (package ``mediapipe`` 0.10.14) and its LICENSE and writes
``symgan_core/faces/weights/mediapipe/``. It needs the packages ``tflite``, ``flatbuffers`` and ``onnx``; nothing of that is needed later.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

from symgan_core.faces.runtime import MEDIAPIPE
from symgan_core.weights import write_hash

NETWORKS = {"face_detection_short_range": "detector", "face_landmark": "mesh", "selfie_segmentation": "person"}
"""Names of MediaPipe's files, and ours."""
OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
TYPES = {0: np.float32, 1: np.float16, 2: np.int32}
TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
"""TensorFlow's pictures have their channels last, ONNX's first."""


class Converter:
    """One .tflite graph to one ONNX graph. ``convert`` raises NotImplementedError for an operator that none of the networks has."""

    def __init__(self, data: bytes):
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.constants = {i: array for i in range(self.graph.TensorsLength()) if (array := self._constant(i)) is not None}

    def convert(self, name: str) -> onnx.ModelProto:
        """The whole graph: its input ``picture [1, 3, S, S]``, its outputs as TensorFlow lays them out."""
        source = self.graph.Inputs(0)
        for k in range(self.graph.OperatorsLength()):
            self._operator(self.graph.Operators(k))
        shape = self._shape(source)
        picture = helper.make_tensor_value_info(self._name(source), TensorProto.FLOAT, [shape[i] for i in TO_FIRST])
        outputs = []
        for k in range(self.graph.OutputsLength()):
            at = self.graph.Outputs(k)
            result, shape = self._name(at), self._shape(at)
            if len(shape) == 4:
                self._node("Transpose", [result], f"{result}_last", perm=TO_LAST)
                result = f"{result}_last"
            outputs.append(helper.make_tensor_value_info(result, TensorProto.FLOAT, shape))
        graph = helper.make_graph(self.nodes, name, [picture], outputs, list(self.initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8, producer_name="symgan")
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, at: int) -> np.ndarray | None:
        tensor = self.graph.Tensors(at)
        buffer = self.model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        values = buffer.DataAsNumpy().view(TYPES[tensor.Type()])
        return values.reshape(self._shape(at))

    def _operator(self, operator: tflite.Operator) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        name = code.CustomCode().decode() if name == "CUSTOM" else name
        inputs, out = [operator.Inputs(i) for i in range(operator.InputsLength())], operator.Outputs(0)
        if name == "DEQUANTIZE":  # of constants alone: which are stored in half precision here too
            self.constants[out] = self.constants[inputs[0]]
            return
        getattr(self, f"_{name.lower()}", self._plain)(name, operator, inputs, out)

    def _plain(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        simple = {"RELU": "Relu", "HARD_SWISH": "HardSwish", "LOGISTIC": "Sigmoid"}
        if name not in simple:
            raise NotImplementedError(name)
        self._node(simple[name], [self._name(inputs[0])], self._name(out))

    def _conv_2d(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        depthwise = name.startswith("DEPTHWISE")
        table = options(operator, "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions")
        kernel = self.constants[inputs[1]].transpose((3, 0, 1, 2) if depthwise else TO_FIRST)
        operands = [self._name(inputs[0]), self._weight(inputs[1], kernel), self._weight(inputs[2], self.constants[inputs[2]])]
        stride = table.StrideH(), table.StrideW()
        pads = self._same(inputs[0], kernel.shape[2:], stride) if table.Padding() == 0 else [0] * 4
        self._activated(table, "Conv", operands, out, kernel_shape=kernel.shape[2:], strides=stride, pads=pads,
                        group=kernel.shape[0] if depthwise else 1)

    _depthwise_conv_2d = _conv_2d

    def _convolution2dtransposebias(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        kernel = self.constants[inputs[1]].transpose(3, 0, 1, 2)
        operands = [self._name(inputs[0]), self._weight(inputs[1], kernel), self._weight(inputs[2], self.constants[inputs[2]])]
        self._node("ConvTranspose", operands, self._name(out), kernel_shape=kernel.shape[2:], strides=kernel.shape[2:])

    def _add(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        table = options(operator, f"{name.title()}Options")
        self._activated(table, name.title(), [self._name(i) for i in inputs], out)

    def _max_pool_2d(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        table = options(operator, "Pool2DOptions")
        kernel, stride = (table.FilterHeight(), table.FilterWidth()), (table.StrideH(), table.StrideW())
        pads = self._same(inputs[0], kernel, stride) if table.Padding() == 0 else [0] * 4
        kind = "MaxPool" if name.startswith("MAX") else "AveragePool"
        self._node(kind, [self._name(inputs[0])], self._name(out), kernel_shape=kernel, strides=stride, pads=pads)

    _average_pool_2d = _max_pool_2d
    _mul = _add

    def _prelu(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        slope = self._weight(inputs[1], self.constants[inputs[1]].reshape(-1, 1, 1))
        self._node("PRelu", [self._name(inputs[0]), slope], self._name(out))

    def _pad(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        sides = self.constants[inputs[1]][TO_FIRST].astype(np.int64)
        pads = self._initializer(f"pads_{out}", np.concatenate([sides[:, 0], sides[:, 1]]))
        self._node("Pad", [self._name(inputs[0]), pads], self._name(out))

    def _resize_bilinear(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        if not options(operator, "ResizeBilinearOptions").HalfPixelCenters():
            raise NotImplementedError("pixels of another convention")
        shape = self._shape(out)
        sizes = self._initializer(f"sizes_{out}", np.array([shape[i] for i in TO_FIRST], np.int64))
        self._node("Resize", [self._name(inputs[0]), "", "", sizes], self._name(out), mode="linear",
                  coordinate_transformation_mode="half_pixel")

    def _reshape(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        self._node("Transpose", [self._name(inputs[0])], f"last_{out}", perm=TO_LAST)
        shape = self._initializer(f"shape_{out}", np.array(self._shape(out), np.int64))
        self._node("Reshape", [f"last_{out}", shape], self._name(out))

    def _concatenation(self, name: str, operator: tflite.Operator, inputs: list[int], out: int) -> None:
        axis = options(operator, "ConcatenationOptions").Axis()
        if len(self._shape(out)) == 4:
            raise NotImplementedError("channels last")
        self._node("Concat", [self._name(i) for i in inputs], self._name(out), axis=axis)

    def _activated(self, table: object, kind: str, operands: list[str], out: int, **attributes: object) -> None:
        activation = table.FusedActivationFunction()
        if activation not in (0, 1):
            raise NotImplementedError(f"activation {activation}")
        result = f"raw_{out}" if activation else self._name(out)
        self._node(kind, operands, result, **attributes)
        if activation:
            self._node("Relu", [result], self._name(out))

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _same(self, at: int, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
        """Pads of TensorFlow's "same": the odd pixel goes to the right and below."""
        total = [max((-(-size // s) - 1) * s + k - size, 0) for size, k, s in zip(self._shape(at)[1:3], kernel, stride, strict=True)]
        return [t // 2 for t in total] + [t - t // 2 for t in total]

    def _weight(self, at: int, values: np.ndarray) -> str:
        """A constant, stored in half precision and used in single."""
        half = self._initializer(f"half_{at}", values.astype(np.float16))
        if f"weight_{at}" not in {node.output[0] for node in self.nodes}:
            self._node("Cast", [half], f"weight_{at}", to=TensorProto.FLOAT)
        return f"weight_{at}"

    def _initializer(self, name: str, values: np.ndarray) -> str:
        self.initializers.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _name(self, at: int) -> str:
        return "picture" if at == self.graph.Inputs(0) else f"t{at}"

    def _shape(self, at: int) -> list[int]:
        tensor = self.graph.Tensors(at)
        return tensor.ShapeAsNumpy().tolist() if tensor.ShapeLength() else []


def options(operator: tflite.Operator, name: str) -> object:
    """The operator's table of that type."""
    table = getattr(tflite, name)()
    table.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
    return table


def main(folder: Path) -> None:
    """Convert all three, with licence and hashes."""
    MEDIAPIPE.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "LICENSE", MEDIAPIPE / "LICENSE")
    for source, name in NETWORKS.items():
        path = MEDIAPIPE / f"{name}.onnx"
        onnx.save(Converter((folder / f"{source}.tflite").read_bytes()).convert(name), path)
        write_hash(path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
