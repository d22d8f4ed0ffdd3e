import pickle

import pytest
import safetensors.torch
import torch

import nngraph as nng
from nngraph.errors import FormatError


class Trap:
    """A pickle that makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


def write(kind, state, path):
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")


def bits(state):
    return {name: (value.dtype, value.shape, value.numpy().tobytes()) for name, value in state.items()}


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model"])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_state_comes_back_bit_for_bit_from_any_kind_of_file_whatever_its_name(tmp_path, kind, name):
    if kind != "safetensors" and name.endswith(".safetensors"):
        name = "model.bin"
    state = model().state_dict()
    write(kind, state, tmp_path / name)
    assert bits(nng.load_state(tmp_path / name)) == bits(state)
    assert bits(nng.load_state(str(tmp_path / name))) == bits(state)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_no_cut_of_a_file_is_read(tmp_path, kind):
    path = tmp_path / "model"
    write(kind, model().state_dict(), path)
    whole = path.read_bytes()
    for size in {1, 4, 9, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="model: is"):
            nng.load_state(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"weights, of a kind", "is neither a .safetensors nor a torch file"),
        (b"PK\x03\x04 is a zip", "is no whole torch file"),
        (pickle.dumps({"a": 1}), "would run code .*state_dict"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json      ", "no whole safetensors file"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_a_sentence(tmp_path, content, words):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(FormatError, match=words) as caught:
        nng.load_state(tmp_path / "model")
    assert str(tmp_path / "model") in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FormatError, match="there is no such file"):
        nng.load_state(tmp_path / "missing.pt")
    with pytest.raises(FormatError, match="is a folder"):
        nng.load_state(tmp_path)


@pytest.mark.parametrize("how", ["pickle", "zip", "legacy"])
def test_a_pickle_that_runs_code_is_refused_without_running_it(tmp_path, how):
    path, touched = tmp_path / "model.pt", tmp_path / "touched"
    if how == "pickle":
        path.write_bytes(pickle.dumps({"weight": Trap(touched)}))
    else:
        write(how, {"weight": Trap(touched)}, path)
    with pytest.raises(
        FormatError, match=r"which nngraph never does\. Save torch\.save\(model\.state_dict\(\), path\)"
    ):
        nng.load_state(path)
    assert not touched.exists()


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_whole_model_is_refused_with_what_to_save_instead(tmp_path, kind):
    write(kind, model(), tmp_path / "model.pt")
    with pytest.raises(FormatError, match=r"a whole model.*state_dict\(\).*or a safetensors file instead"):
        nng.load_state(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"epoch": 3, "weight": torch.ones(2)}, "holds int under the key 'epoch'.*checkpoint"),
        ({"model": {"weight": torch.ones(2)}}, "holds dict under the key 'model'"),
        ({1: torch.ones(2)}, "holds Tensor under the key 1"),
        (torch.ones(2), "holds one Tensor; expected a state_dict"),
        ([torch.ones(2)], "holds one list"),
    ],
)
def test_a_file_that_holds_more_than_named_tensors_is_refused_by_key(tmp_path, held, words):
    torch.save(held, tmp_path / "model.pt")
    with pytest.raises(FormatError, match=words):
        nng.load_state(tmp_path / "model.pt")


# ------------------------------------------------------------------ load_weights


@pytest.mark.parametrize("kind", ["safetensors", "zip"])
def test_weights_of_a_file_are_put_into_the_model(tmp_path, kind):
    source, target = model(), model()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter += 1
    write(kind, source.state_dict(), tmp_path / "model")
    assert nng.load_weights(target, tmp_path / "model") is target
    assert bits(target.state_dict()) == bits(source.state_dict())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("0.bias"), "missing 0.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "unexpected extra"),
        (lambda s: s.update({"2.weight": torch.ones(4, 2)}), r"2.weight has shape \(4, 2\), the model's \(2, 4\)"),
        (lambda s: s.update({"2.weight": torch.ones(2, 4).double()}), "2.weight is float64, .*float32 would round it"),
        (lambda s: (s.pop("0.bias"), s.update(extra=torch.ones(1))), r"missing 0.bias; unexpected extra.*Nothing was"),
    ],
)
def test_weights_that_do_not_fit_change_nothing_and_all_faults_are_named(tmp_path, change, words):
    target = model()
    state = {name: value + 1 for name, value in target.state_dict().items()}
    change(state)
    torch.save(state, tmp_path / "model.pt")
    before = bits(target.state_dict())
    with pytest.raises(FormatError, match=words):
        nng.load_weights(target, tmp_path / "model.pt")
    assert bits(target.state_dict()) == before


def test_narrower_weights_are_widened_exactly(tmp_path):
    target = torch.nn.Linear(3, 2)
    half = {name: value.half() for name, value in target.state_dict().items()}
    torch.save(half, tmp_path / "model.pt")
    nng.load_weights(target, tmp_path / "model.pt")
    assert bits(target.state_dict()) == bits({name: value.float() for name, value in half.items()})


def test_a_tied_weight_may_be_missing_once_but_not_twice(tmp_path):
    def tied():
        net = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3, bias=False), "b": torch.nn.Linear(3, 3, bias=False)})
        net["b"].weight = net["a"].weight
        return net

    target, weight = tied(), torch.arange(9.0).reshape(3, 3)
    safetensors.torch.save_file({"a.weight": weight}, tmp_path / "one.safetensors")
    nng.load_weights(target, tmp_path / "one.safetensors")
    assert torch.equal(target["b"].weight, weight)
    safetensors.torch.save_file({}, tmp_path / "none.safetensors")
    with pytest.raises(FormatError, match=r"missing a\.weight, b\.weight"):
        nng.load_weights(target, tmp_path / "none.safetensors")


def test_tied_weights_that_differ_in_the_file_are_refused(tmp_path):
    net = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3, bias=False), "b": torch.nn.Linear(3, 3, bias=False)})
    net["b"].weight = net["a"].weight
    before = bits(net.state_dict())
    torch.save({"a.weight": torch.ones(3, 3), "b.weight": torch.zeros(3, 3)}, tmp_path / "two.pt")
    with pytest.raises(FormatError, match=r"a\.weight and b\.weight are one tensor in the model, but differ"):
        nng.load_weights(net, tmp_path / "two.pt")
    assert bits(net.state_dict()) == before


def test_a_model_on_the_meta_device_is_not_filled(tmp_path):
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "model.pt")
    with pytest.raises(FormatError, match="weight is on the meta device"):
        nng.load_weights(torch.nn.Linear(3, 2, device="meta"), tmp_path / "model.pt")
