import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from nngraph.errors import ArgumentError, SparsityWarning, UnsupportedLayerError
from nngraph.sparse import SparseLinear, densify, erdos_renyi_mask, sparse_mlp, sparsify

SHAPES = [(7, 5), (1, 6), (6, 1), (1, 1), (4, 9)]
BATCHES = [(3,), (1,), (0,), (), (2, 3)]


def random_layer(n_source, n_target, density, *, bias=True, dtype=torch.float64, seed=0):
    """A torch layer with random weights, and a random mask."""
    draw = torch.Generator().manual_seed(seed)
    layer = nn.Linear(n_source, n_target, bias=bias, dtype=dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=dtype))
    return layer, torch.rand(n_target, n_source, generator=draw) < density


def masked(layer, mask):
    """The oracle: torch's own layer under torch's own pruning mask."""
    return prune.custom_from_mask(copy.deepcopy(layer), "weight", mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("density", [0, 0.1, 0.5, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_are_those_of_a_masked_linear_layer(shape, density, dtype):
    for lead in BATCHES:
        for bias in (True, False):
            layer, mask = random_layer(*shape, density, bias=bias, dtype=dtype)
            ours, oracle = SparseLinear.from_linear(layer, mask), masked(layer, mask)
            x = torch.randn(*lead, shape[0], dtype=dtype, requires_grad=True)
            same_x = x.detach().clone().requires_grad_()
            y, expected = ours(x), oracle(same_x)
            torch.testing.assert_close(y, expected)
            seen = torch.randn(y.shape, dtype=dtype)
            (y * seen).sum().backward()
            (expected * seen).sum().backward()
            torch.testing.assert_close(x.grad, same_x.grad)
            torch.testing.assert_close(ours.values.grad, oracle.weight_orig.grad[mask])
            if bias:
                torch.testing.assert_close(ours.bias.grad, oracle.bias.grad)


def test_a_layer_without_edges_gives_its_bias():
    layer, mask = random_layer(4, 3, 0)
    ours = SparseLinear.from_linear(layer, mask)
    assert ours.n_edges == 0
    assert torch.equal(ours(torch.randn(5, 4, dtype=torch.float64)), layer.bias.expand(5, 3))


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_first_and_second_order_are_those_of_finite_differences(shape):
    layer = SparseLinear.from_linear(*random_layer(*shape, 0.6))

    def call(values, bias, x):
        return torch.func.functional_call(layer, {"values": values, "bias": bias}, (x,))

    x = torch.randn(3, shape[0], dtype=torch.float64)
    given = tuple(t.detach().clone().requires_grad_() for t in (layer.values, layer.bias, x))
    assert torch.autograd.gradcheck(call, given)
    assert torch.autograd.gradgradcheck(call, given)


def test_what_needs_no_gradient_gets_none():
    layer = SparseLinear.from_linear(*random_layer(4, 3, 0.5))
    layer.values.requires_grad_(False)
    x = torch.randn(2, 4, dtype=torch.float64)
    layer(x).sum().backward()
    assert (layer.values.grad, x.grad) == (None, None)
    assert layer.bias.grad.tolist() == [2, 2, 2]


def test_a_present_edge_may_weigh_0_and_gets_a_gradient():
    layer = SparseLinear.from_cells(2, 1, np.array([1]), np.array([0.0]))
    layer(torch.tensor([[3.0, 5.0]], dtype=torch.float64)).sum().backward()
    assert layer.values.grad.tolist() == [5.0]
    assert layer.to_linear().weight_mask.tolist() == [[0, 1]]


def test_to_linear_and_back_is_the_same_layer_bit_for_bit():
    for bias in (True, False):
        layer = SparseLinear.from_linear(*random_layer(9, 6, 0.3, bias=bias)).eval()
        again = SparseLinear.from_linear(layer.to_linear())
        assert np.array_equal(again.cells(), layer.cells())
        assert again.state_dict().keys() == layer.state_dict().keys()
        assert all(torch.equal(again.state_dict()[key], value) for key, value in layer.state_dict().items())
        assert not again.training


def test_without_a_mask_the_edges_are_the_weights_other_than_0():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]]))
    assert SparseLinear.from_linear(layer).cells().tolist() == [1, 3, 5]


def test_a_random_layer_has_the_support_of_the_mask_of_the_same_seed_and_he_weights():
    layer = SparseLinear(300, 200, 8, rng=3)
    assert np.array_equal(layer.cells(), np.flatnonzero(erdos_renyi_mask(200, 300, 8, rng=3)))
    assert np.array_equal(layer.cells(), SparseLinear(300, 200, 8, rng=3).cells())
    assert not np.array_equal(layer.cells(), SparseLinear(300, 200, 8, rng=4).cells())
    scale = layer.values.detach().std() / (2 * 200 / layer.n_edges) ** 0.5
    assert abs(scale - 1) < 4 / (2 * layer.n_edges) ** 0.5
    assert not layer.bias.detach().any()


def test_making_layers_leaves_the_global_generator_of_torch_alone():
    before = torch.get_rng_state()
    sparse_mlp([20, 10, 5], 2, rng=0)[0].to_linear()
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epsilon_that_makes_a_layer_complete_is_said():
    with pytest.warns(SparsityWarning, match="complete"):
        layer = SparseLinear(4, 3, 5, rng=0)
    assert layer.n_edges == 12


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_goes_as_under_a_mask(optimizer):
    sparse = sparse_mlp([30, 20, 20, 4], 2, dtype=torch.float64, rng=0)
    models = [sparse, densify(sparse)]
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 30, generator=draw, dtype=torch.float64), torch.randint(0, 4, (40,), generator=draw)
    losses = []
    for model in models:
        if optimizer == "sgd":
            rule = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
        else:
            rule = torch.optim.Adam(model.parameters(), lr=0.01)
        losses.append([])
        for _ in range(40):
            rule.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            rule.step()
            losses[-1].append(loss.item())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)
    assert losses[0][-1] < 0.5 * losses[0][0]
    for one, other in zip(models[0][:4:2], models[1][:4:2], strict=True):
        torch.testing.assert_close(one.to_linear().weight, other.weight_orig * other.weight_mask, rtol=1e-9, atol=1e-12)


def test_copies_pickles_and_saved_states_are_the_same_layer():
    layer = SparseLinear.from_linear(*random_layer(8, 6, 0.4))
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    loaded = SparseLinear(8, 6, 1, dtype=torch.float64, rng=9)  # of another number of edges
    assert loaded.n_edges != layer.n_edges
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    x = torch.randn(3, 8, dtype=torch.float64)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        y = other(x.requires_grad_())
        assert torch.equal(y, layer(x))
        grads = [torch.autograd.grad(out.sum(), x)[0] for out in (y, layer(x))]  # by the transpose, made anew
        assert torch.equal(*grads)
        assert other.values is not layer.values


def test_a_state_that_is_no_support_of_the_layer_is_refused():
    layer = SparseLinear.from_linear(*random_layer(8, 6, 0.4))
    state = layer.state_dict()
    others = {key: tensor.clone() for key, tensor in SparseLinear(8, 6, 1, rng=0).double().state_dict().items()}
    cases = [state | {"columns": others["columns"]}, {key: state[key] for key in state if key != "starts"}]
    for key, value in (("columns", 8), ("columns", -1), ("starts", 10**6), ("columns", int(state["columns"][-2]))):
        cases.append(state | {key: torch.cat([state[key][:-1], torch.tensor([value], dtype=torch.int32)])})
    for broken in cases:
        target = copy.deepcopy(layer)
        with pytest.raises(RuntimeError, match="not the edges of a layer of 8 -> 6 neurons"):
            target.load_state_dict(broken)
        assert all(torch.equal(target.state_dict()[key], tensor) for key, tensor in state.items())
    with pytest.raises(RuntimeError, match="not the edges of a layer of 8 -> 7 neurons"):
        SparseLinear(8, 7, 1, dtype=torch.float64).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "values"'):
        layer.load_state_dict({"bias": state["bias"]})


def test_to_changes_the_type_of_weights_and_leaves_the_support():
    layer = SparseLinear(30, 20, 2, rng=0).to(torch.float64)
    assert layer.values.dtype is torch.float64
    assert layer.columns.dtype is torch.int32
    assert layer(torch.zeros(2, 30, dtype=torch.float64)).dtype is torch.float64


def test_a_chain_of_layers_and_activations_copies_no_activation():
    model = sparse_mlp([30, 20, 10, 4], 2, rng=0)
    hidden = model[:2](torch.randn(5, 30))
    assert hidden.t().is_contiguous()


def test_a_sparse_perceptron_has_a_dense_output_layer_unless_told_otherwise():
    kinds = [type(module).__name__ for module in sparse_mlp([8, 9, 7], 1, rng=0)]
    assert kinds == ["SparseLinear", "ReLU", "Linear"]
    kinds = [type(module).__name__ for module in sparse_mlp([8, 9, 7], 1, dense_output=False, rng=0)]
    assert kinds == ["SparseLinear", "ReLU", "SparseLinear"]


def test_sparsify_and_densify_copy_the_model_and_leave_it_alone():
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5)))
    masks = {"0": random_layer(8, 6, 0.4)[1], "2.0": random_layer(6, 5, 0.4)[1].numpy()}
    x = torch.randn(4, 8)
    sparse = sparsify(model, masks)
    assert isinstance(sparse[2][0], SparseLinear)
    assert isinstance(model[0], nn.Linear)
    dense = densify(sparse)
    assert isinstance(sparse[0], SparseLinear)
    assert torch.equal(dense[0].weight_mask != 0, masks["0"])
    torch.testing.assert_close(dense(x), sparse(x))
    assert sparse[2][1] is not model[2][1]
    torch.testing.assert_close(sparsify(dense)(x), sparse(x))


def test_a_layer_used_in_two_places_is_one_layer_afterwards():
    layer = nn.Linear(5, 5)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    sparse = sparsify(model, {"0": layer.weight > 0})
    assert sparse[0] is sparse[2]


def test_bad_arguments_are_refused_in_one_sentence():
    layer, mask = random_layer(4, 3, 0.5)
    ours = SparseLinear.from_linear(layer, mask)
    x = torch.zeros(2, 4, dtype=torch.float64)
    cells, values = np.array([0, 5]), np.zeros(2)
    cases = [
        (lambda: ours(x[:, :3]), r"shape \(2, 3\).*expected \(\.\.\., 4\)"),
        (lambda: ours(x.float()), "type torch.float32.*torch.float64"),
        (lambda: copy.deepcopy(ours).half()(x.half()), "torch.float32 or torch.float64"),
        (lambda: SparseLinear.from_linear(layer, mask.T), r"mask of shape \(4, 3\)"),
        (lambda: SparseLinear.from_linear(layer, mask.double()), "expected bool"),
        (lambda: SparseLinear.from_linear(nn.Linear(4, 3, dtype=torch.bfloat16)), "bfloat16"),
        (lambda: SparseLinear.from_linear(nn.ReLU()), "got ReLU"),
        (lambda: SparseLinear(4, 3, 0), "epsilon"),
        (lambda: SparseLinear(0, 3, 1), "n_source"),
        (lambda: SparseLinear(4, 3, 1, dtype=torch.float16), "float16"),
        (lambda: SparseLinear.from_cells(4, 3, cells[::-1], values), "ascending"),
        (lambda: SparseLinear.from_cells(2, 2, cells, values), "from 0 to 3"),
        (lambda: SparseLinear.from_cells(4, 3, cells, values[:1]), "as many"),
        (lambda: SparseLinear.from_cells(4, 3, cells, values, bias=values), "bias"),
        (lambda: sparse_mlp([4]), "at least two"),
        (lambda: sparsify(nn.Sequential(layer)), "no linear layer has a mask"),
        (lambda: sparsify(nn.Sequential(layer), {"1": mask}), "'1'"),
        (lambda: sparsify(nn.Sequential(layer), ["0"]), "masks: got list; expected a mapping"),
        (lambda: sparsify(None, epsilon=1), "sparsify: got NoneType; expected a torch.nn.Module"),
        (lambda: densify(None), "densify: got NoneType; expected a torch.nn.Module"),
        (lambda: ours(None), "input of type NoneType; expected a torch.Tensor"),
        (lambda: ours(x.numpy()), "input of type ndarray; expected a torch.Tensor"),
        (lambda: SparseLinear(4, 3, 1, device="x"), "device: got 'x', which cannot be used here"),
        (lambda: SparseLinear(4, 3, 1, dtype="float32"), "got the type float32"),
        (lambda: sparse_mlp([4, 3], device="x"), "device: got 'x'"),
        (lambda: sparse_mlp("43"), "sizes: got '43'"),
        (lambda: SparseLinear.from_cells(4, 3, cells, "ab"), "values: got str; expected a tensor or an array"),
        (lambda: SparseLinear.from_cells(4, 3, "ab", values), "got cells of shape"),
        (lambda: SparseLinear.from_cells(4, 3, cells, values, bias="abc"), "bias: got str"),
        (lambda: SparseLinear.from_linear(layer, "mask"), "mask: got str"),
    ]
    for call, message in cases:
        with pytest.raises(ArgumentError, match=message):
            call()


def test_under_autocast_the_layer_computes_in_the_type_of_its_weights():
    model = sparse_mlp([9, 8, 7], 2, dense_output=False, rng=0)
    x = torch.randn(4, 9)
    expected = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = model(x)
        between = model[2](torch.relu(model[0](x)).bfloat16())
        y.sum().backward()
    assert torch.equal(y, expected)
    torch.testing.assert_close(between, expected, rtol=0.1, atol=0.1)
    grad = model[0].values.grad.clone()
    model.zero_grad()
    model(x).sum().backward()
    assert torch.equal(model[0].values.grad, grad)


def test_functional_gradients_are_those_of_backward():
    layer = SparseLinear.from_linear(*random_layer(6, 4, 0.5))
    x = torch.randn(3, 6, dtype=torch.float64)
    layer(x).square().sum().backward()

    def loss(values):
        return torch.func.functional_call(layer, {"values": values}, (x,)).square().sum()

    torch.testing.assert_close(torch.func.grad(loss)(layer.values.detach()), layer.values.grad)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_layer_on_cuda_computes_what_it_does_on_the_processor():
    layer = SparseLinear.from_linear(*random_layer(9, 6, 0.4))
    other = copy.deepcopy(layer).cuda()
    x = torch.randn(5, 9, dtype=torch.float64)
    for each, given in ((layer, x), (other, x.cuda())):
        each(given).square().sum().backward()
    torch.testing.assert_close(other(x.cuda()).cpu(), layer(x))
    torch.testing.assert_close(other.values.grad.cpu(), layer.values.grad)
    torch.testing.assert_close(other.to_linear().weight.cpu(), layer.to_linear().weight)


def test_torch_says_nothing_about_compressed_rows():
    code = (
        "import warnings; warnings.simplefilter('error'); import torch; from nngraph.sparse import SparseLinear; "
        "SparseLinear(4, 3, 1, rng=0)(torch.zeros(1, 4)).sum().backward()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sizes_may_be_an_array():
    ours, same = (sparse_mlp(sizes, 1, rng=0) for sizes in (np.array([8, 6, 2]), [8, 6, 2]))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize("frozen", ["", "weight", "bias", "weight bias"])
def test_what_is_frozen_stays_frozen_both_ways(frozen):
    layer, mask = random_layer(6, 5, 0.5)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(name not in frozen)
    expected = ["weight" not in frozen, "bias" not in frozen]
    sparse = sparsify(nn.Sequential(layer), {"0": mask})
    assert [sparse[0].values.requires_grad, sparse[0].bias.requires_grad] == expected
    dense = densify(sparse)
    assert [dense[0].weight_orig.requires_grad, dense[0].bias.requires_grad] == expected
    again = sparsify(dense)
    assert [again[0].values.requires_grad, again[0].bias.requires_grad] == expected
    assert [parameter.requires_grad for parameter in layer.parameters()] == expected


def test_layers_whose_weight_torch_reads_elsewhere_are_refused_and_others_are_not():
    encoder = nn.TransformerEncoderLayer(16, 2, 64, batch_first=True)
    model = nn.Sequential(encoder, nn.Linear(16, 16), nn.Linear(16, 2)).eval()
    with pytest.raises(UnsupportedLayerError, match=r"layer '0.linear1': torch.nn.TransformerEncoderLayer reads"):
        sparsify(model, epsilon=2, rng=0)
    masks = {name: module.weight > 0 for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    owners = {"0.linear1": "Encoder", "0.linear2": "Encoder", "0.self_attn.out_proj": "MultiheadAttention"}
    for name, mask in masks.items():
        if name in owners:
            with pytest.raises(UnsupportedLayerError, match=rf"layer '{name}': torch.nn.*{owners[name]}"):
                sparsify(model, {name: mask})
        else:
            with torch.no_grad():
                assert sparsify(model, {name: mask})(torch.randn(2, 3, 16)).shape == (2, 3, 2)
    decoder = nn.TransformerDecoderLayer(16, 2, 64, batch_first=True).eval()  # which calls its linear layers
    sparse = sparsify(decoder, {"linear1": decoder.linear1.weight > 0})
    with torch.no_grad():
        assert sparse(torch.randn(2, 3, 16), torch.randn(2, 4, 16)).shape == (2, 3, 16)
