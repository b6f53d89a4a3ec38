"""Triton kernels without a GPU: run by Triton's interpreter, and compiled for GPUs that are not there."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

Changes = list[tuple[Any, dict[str, Any]]]

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
LETTERS = {torch.float64: "fp64", torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
"""Dtypes as Triton's signatures name them."""
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that kernels are given for results is full of nan."""

    def poisoned(make: Any) -> Any:
        def made(*args: Any, **options: Any) -> Tensor:
            out = make(*args, **options)
            return out.fill_(torch.nan) if out.is_floating_point() else out

        return made

    for owner, name in ((torch, "empty"), (torch, "empty_like"), (Tensor, "new_empty")):
        monkeypatch.setattr(owner, name, poisoned(getattr(owner, name)))


def interpreted(module_name: str) -> ModuleType:
    """A second copy of a module whose kernels run under Triton's interpreter, on CPU tensors.

    The module in ``sys.modules`` is left as it is, and so is Triton outside of a call: what the interpreter replaces
    in ``triton.language`` is put back after each kernel. Kernels imported from other modules are copied as well.
    Skips the test if Triton cannot be imported.
    """
    pytest.importorskip("triton", reason="needs triton")
    return _copied(module_name)


@functools.cache
def _copied(name: str) -> ModuleType:
    from triton.runtime.jit import JITFunction

    module = _loaded(name)
    for key, value in list(vars(module).items()):
        if isinstance(value, JITFunction):
            setattr(module, key, getattr(_copied(value.__module__), value.fn.__name__))
    return module


def _loaded(name: str) -> ModuleType:
    """A new module object from the source of a module, with kernels for the interpreter."""
    import triton
    from triton.runtime.interpreter import InterpretedFunction

    importlib.import_module(name)  # what it imports must be imported before the interpreter is switched on
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None, name
    module = importlib.util.module_from_spec(spec)
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = True
        spec.loader.exec_module(module)
    for value in vars(module).values():
        if isinstance(value, InterpretedFunction):
            value.__class__ = _interpreter()
    return module


@functools.cache
def _interpreter() -> type:
    from triton.runtime import interpreter

    class Isolated(interpreter.InterpretedFunction):
        """Kernels that leave nothing of the interpreter behind, and replace ``triton.language`` once per launch."""

        def run(self, *args: Any, **kwargs: Any) -> Any:
            # infinities are as silent as on a GPU
            with _language_restored(), np.errstate(all="ignore"):
                for owner, changes in _library():
                    for key, value in changes.items():
                        setattr(owner, key, value)
                interpreter._patch_lang(_library()[1][1]["sum"].fn)
                return super().run(*args, **kwargs)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            # called by a kernel: nothing is left to be replaced, which would take most of the time
            return self.rewrite()(*args, **kwargs)

    return Isolated


@functools.cache
def _library() -> Changes:
    """What ``tl.sum`` and other library functions, themselves kernels, have to be replaced by."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpretedFunction

    importlib.import_module("triton.experimental.gluon")  # the first launch would, and copy what is replaced here
    with _language_restored():
        before = set(vars(tl.tensor).items())
        copy = _loaded("triton.language.standard")
        # loading it made methods of tensors of its functions
        methods = dict(set(vars(tl.tensor).items()) - before)
    functions = {k: v for k, v in vars(copy).items() if isinstance(v, InterpretedFunction)}
    return [
        (tl.tensor, methods),
        (tl.standard, functions),
        (tl, {k: v for k, v in functions.items() if k in vars(tl)}),
    ]


@contextlib.contextmanager
def _language_restored() -> Iterator[None]:
    """Puts back every attribute of ``triton.language`` that was changed inside."""
    import triton.language as tl

    owners = (tl, tl.core, tl.math, tl.standard, tl.tensor, tl.dtype, tl.core.tensor_descriptor_base)
    before = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, attributes in zip(owners, before, strict=True):
            for key, value in list(vars(owner).items()):
                if key not in attributes:
                    delattr(owner, key)
                elif attributes[key] is not value:
                    setattr(owner, key, attributes[key])


def compile_everywhere(
    kernel: Any, signature: dict[str, str], constexprs: dict[str, object], options: dict[str, int] | None = None
) -> None:
    """Compiles a kernel for NVIDIA A100 and H100 and for AMD MI300, and asserts that machine code came out.

    Args:
        kernel: a function under ``@triton.jit`` of the module as imported, not of :func:`interpreted`.
        signature: type of each argument that is not a constexpr, such as ``"*fp32"`` or ``"i32"``.
        constexprs: values of the others.
        options: of the launch, such as ``num_warps``.
    """
    pytest.importorskip("triton", reason="needs triton")
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = {name: "constexpr" if name in constexprs else signature[name] for name in kernel.arg_names}
    for target, product in (
        (GPUTarget("cuda", 80, 32), "cubin"),
        (GPUTarget("cuda", 90, 32), "cubin"),
        (GPUTarget("hip", "gfx942", 64), "hsaco"),
    ):
        compiled = triton.compile(ASTSource(kernel, types, constexprs), target=target, options=options)
        assert compiled.asm[product], (kernel.__name__, target, signature, constexprs)
