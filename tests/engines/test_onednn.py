import pytest
import torch

from aigc_core.engines.onednn import multiply_by_onednn


@pytest.fixture
def layers() -> torch.nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(96, 200), torch.nn.Linear(200, 64, bias=False))


def test_products_are_those_of_torch(layers: torch.nn.Sequential) -> None:
    values = torch.randn(3, 5, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = layers(values)
        assert multiply_by_onednn(layers)
        torch.testing.assert_close(layers(values), expected, atol=1e-5, rtol=1e-5)


def test_a_row_is_the_same_beside_any_others(layers: torch.nn.Sequential) -> None:
    assert multiply_by_onednn(layers)
    values = torch.randn(130, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = layers(values)
        for count in (1, 2, 3, 17, 64, 129):
            assert torch.equal(layers(values[:count]), whole[:count])
        assert torch.equal(layers(values[None, :1]), whole[None, :1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_numeric_types_are_left_alone(dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(4, 4, dtype=dtype)
    assert not multiply_by_onednn(layer)
    assert layer(torch.ones(1, 4, dtype=dtype)).requires_grad
