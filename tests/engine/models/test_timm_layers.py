"""timm comes without PyTorch's compiler, and leaves that as it was."""

import subprocess
import sys

import torch

from napari_cfr_icl.engine.models.tiny_vit import TinyVit

AFTERWARDS = """
import sys
from napari_cfr_icl.engine.models import PUBLISHED, build, timm_layers
print("torch._dynamo" in sys.modules, "triton" in sys.modules)
import torch, torch._dynamo.utils
print(torch._dynamo.utils.is_compile_supported.__module__, torch._dynamo.disable.__module__)
"""

WANTED_WHILE_AWAY = """
from napari_cfr_icl.engine.models import timm_layers
with timm_layers._without_compiler():
    from torch._dynamo.utils import counters
    print(type(counters).__name__)
    import torch._dynamo
    print(torch._dynamo.reset.__module__)
"""


def printed(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def test_the_compiler_is_not_loaded_and_can_be_later():
    first, later = printed(AFTERWARDS)
    assert first == "False False"
    assert later == "torch._dynamo.utils torch._dynamo.decorators"


def test_whoever_wants_more_of_the_compiler_gets_it():
    assert printed(WANTED_WHILE_AWAY) == ["defaultdict", "torch._dynamo"]


def test_weights_that_change_in_eval_mode_are_seen():
    encoder = TinyVit().eval()
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, *_ = encoder(image)
        for name, weight in encoder.named_parameters():
            if "attention_biases" in name:
                torch.nn.init.normal_(weight)
        after, *_ = encoder(image)
    assert not torch.allclose(before, after)


def test_a_training_in_eval_mode_takes_more_than_one_step():
    encoder = TinyVit().eval()
    image = torch.rand(1, 3, 64, 64)
    for _ in range(2):
        encoder(image)[0].sum().backward()
