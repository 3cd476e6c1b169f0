"""Stands in for the package ``spaces`` on ZeroGPU: a decorated function runs in a fork, and CUDA is there and nowhere else."""

import functools
import inspect
import io
import multiprocessing
import pickle
from types import ModuleType

import torch

FORKED = multiprocessing.get_context("fork")


class _CpuData(pickle.Pickler):
    """Refuses tensors on a GPU, as a pipe between processes that do not share it does."""

    def reducer_override(self, thing):
        if isinstance(thing, torch.Tensor) and thing.device.type != "cpu":
            raise pickle.PicklingError("a tensor on a GPU")
        return NotImplemented


def _pickled(thing) -> bytes:
    buffer = io.BytesIO()
    _CpuData(buffer).dump(thing)
    return buffer.getvalue()


def refuse_cuda() -> None:
    """What takes the place of ``torch.cuda._lazy_init`` outside of decorated functions."""
    raise RuntimeError("CUDA must not be initialized in the main process on Spaces with ZeroGPU")


def make(monkeypatch) -> ModuleType:
    """The module; its ``calls`` are the durations in seconds that were asked for, ``decorated`` the functions."""
    module, init = ModuleType("spaces"), torch.cuda._lazy_init
    module.calls, module.decorated = [], []
    module.__spec__ = importlib_spec()
    monkeypatch.setattr(torch.cuda, "_lazy_init", refuse_cuda)

    def gpu(task=None, *, duration=60):
        if task is None:
            return functools.partial(gpu, duration=duration)
        assert inspect.isgeneratorfunction(task)
        module.decorated.append(task)

        @functools.wraps(task)
        def handler(*args):
            module.calls.append(duration(*args) if callable(duration) else duration)
            yield from _in_a_fork(task, _pickled(args), init)

        return handler

    module.GPU = gpu
    return module


def importlib_spec():
    from importlib.machinery import ModuleSpec

    return ModuleSpec("spaces", None)


def _in_a_fork(task, packed: bytes, init):
    here, there = FORKED.Pipe(duplex=False)
    process = FORKED.Process(target=_child, args=(task, packed, init, there), daemon=True)
    process.start()
    there.close()
    try:
        while True:
            kind, value = pickle.loads(here.recv_bytes())
            if kind == "end":
                return
            if kind == "error":
                raise RuntimeError(f"ZeroGPU worker error: {value}")  # the class's name is all that comes back
            yield value
    finally:
        process.terminate()
        process.join()


def _child(task, packed: bytes, init, pipe) -> None:
    torch.cuda._lazy_init = init
    try:
        for value in task(*pickle.loads(packed)):
            pipe.send_bytes(_pickled(("value", value)))
    except BaseException as error:
        pipe.send_bytes(_pickled(("error", type(error).__name__)))
    else:
        pipe.send_bytes(_pickled(("end", None)))
