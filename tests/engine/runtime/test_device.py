import pytest
import torch

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.runtime.device import (
    full_float32,
    out_of_memory,
    readable_memory_errors,
)

GPU = torch.device("cuda", 0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.85 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate"
                     " memory: you tried to allocate 8000000000000 bytes."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
    ids=["allocator", "driver", "cudnn", "cublas", "workspace", "mps", "cpu", "cpu-on-windows"],
)  # fmt: skip
def test_memory_runs_out_in_many_words(error):
    assert out_of_memory(error)
    with pytest.raises(DeviceError, match=r"'cuda:0' is out of memory.*choose the device cpu"):
        raise_on(GPU, error)


def raise_on(device, error):
    with readable_memory_errors(device):
        raise error


def test_a_gpu_that_the_build_of_pytorch_does_not_know_gets_one_sentence():
    error = torch.AcceleratorError("CUDA error: no kernel image is available\nCompile with")
    with pytest.raises(DeviceError, match=r"'cuda:0' failed \(CUDA error: no kernel image is ava"):
        raise_on(GPU, error)


def test_a_mistake_of_ours_stays_what_it_is():
    with pytest.raises(RuntimeError, match="size of tensor a"):
        raise_on(GPU, RuntimeError("The size of tensor a (3) must match"))


def test_nobody_on_a_processor_is_told_to_choose_it():
    with pytest.raises(DeviceError, match=r"close other programs that use it\.$"):
        raise_on(torch.device("cpu"), torch.OutOfMemoryError("out of memory"))


@pytest.mark.parametrize("allowed", [False, True], ids=["as-pytorch-starts", "matmul-in-tf32"])
def test_float32_is_in_full_for_a_while_and_the_switches_are_as_before(allowed):
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda

    def switches():
        return cudnn.conv.fp32_precision, cuda.matmul.fp32_precision

    began = cuda.matmul.fp32_precision
    try:
        cuda.matmul.fp32_precision = "tf32" if allowed else began
        before = switches()
        with full_float32(GPU):
            assert switches() == ("ieee", "ieee")
        assert switches() == before
    finally:
        cuda.matmul.fp32_precision = began
