"""``nngraph stats``: tables from files of weights, files of graphs, and functions."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app
from nngraph.convert.files import FileBlocks
from nngraph.errors import FormatError


def run(*arguments):
    return CliRunner().invoke(app, ["stats", *map(str, arguments)])


def table(result):
    assert result.exit_code == 0, result.output
    return pd.read_csv(io.StringIO(result.stdout))


def one_sentence(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def state():
    torch.manual_seed(0)
    pruned = torch.randn(30, 20)
    pruned[torch.rand(30, 20) < 0.98] = 0
    return {
        "first.weight": torch.randn(6, 5),
        "first.bias": torch.randn(6),
        "half.weight": torch.randn(4, 6).half(),
        "brain.weight": torch.randn(7, 4).bfloat16(),
        "pruned.weight": pruned,
        "conv.weight": torch.randn(2, 2, 3, 3),
        "table": torch.arange(6).reshape(2, 3),
    }


@pytest.fixture(params=["model.safetensors", "model.pt", "old.pt"])
def weights(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".safetensors":
        save_file(state(), path)
    else:
        torch.save(state(), path, _use_new_zipfile_serialization=request.param != "old.pt")
    return path


def test_a_file_of_weights_gives_one_row_for_each_matrix_and_names_what_is_none(weights):
    result = run(weights)
    found = table(result).set_index("block")
    assert sorted(found.index) == ["brain.weight", "first.weight", "half.weight", "pruned.weight"]
    assert all(name in result.stderr for name in ("first.bias 6", "conv.weight 2x2x3x3", "table 2x3"))
    for name, row in found.iterrows():
        W = state()[name].float().numpy()
        assert [row["n_target"], row["n_source"]] == list(W.shape)
        assert row["n_edges"] == np.count_nonzero(W)
        assert row["alpha"] == pytest.approx((W > 0).sum() / (W != 0).sum())
        assert row["strength_moments_source_mean"] == pytest.approx(np.abs(W).sum(0).mean(), rel=1e-6)
        assert row["degree_moments_target_max"] == (W != 0).sum(1).max()
    assert set(found["status"]) == {"ok"}


def test_blocks_of_a_file_are_those_of_the_graph_of_all_of_it(weights):
    blocks = FileBlocks(weights)
    by_name = {block.name: block for block in blocks}
    assert {name: block.dtype for name, block in by_name.items()} == {
        "first.weight": "float32",
        "half.weight": "float16",
        "brain.weight": "bfloat16",
        "pruned.weight": "float32",
    }
    for name, block in by_name.items():
        np.testing.assert_array_equal(block.dense(), state()[name].float().numpy().astype(block.dense().dtype))
    assert by_name["pruned.weight"].is_sparse
    assert [block.name for block in blocks[1:3]] == list(by_name)[1:3]
    assert blocks[-1] == by_name[list(by_name)[-1]]
    pd.testing.assert_frame_equal(
        nng.stats.table(blocks, by="block"), nng.stats.table(nng.NeuralGraph(blocks), by="block")
    )


def test_a_file_is_mapped_and_not_read_when_it_is_opened(tmp_path):
    path = tmp_path / "large.safetensors"
    n = 24 * 2**20
    matrices = {f"w{i}": torch.full((2**10, n // 2**10), 0.5) for i in range(2)}
    matrices["w1"][::2] = 0  # half of the edges absent: a mask, but no copy
    save_file(matrices, path)
    code = f"""
    import torch, safetensors.torch
    from nngraph.convert.files import FileBlocks
    import nngraph as nng
    nng.stats.table(nng.from_matrices([[[1.0]]]), by="block")  # imports
    def anonymous():
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
    before = anonymous()
    blocks = FileBlocks({str(path)!r})
    found = nng.stats.table(blocks, "density", by="block")
    assert found["n_edges"].tolist() == [{n}, {n // 2}]
    print(anonymous() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert int(done.stdout) < 60 * 1024  # kB; the two matrices are 192 MiB, the mask of one 24


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_negative_zeros_of_a_file_are_no_edges_and_read_as_zero(tmp_path, dtype):
    W = torch.tensor([[1.0, -0.0], [0.0, -2.0]], dtype=getattr(torch, dtype))
    save_file({"w": W}, tmp_path / "model.safetensors")
    (block,) = FileBlocks(tmp_path / "model.safetensors")
    assert block.n_edges == 2
    assert block.dtype == dtype
    np.testing.assert_array_equal(block.dense(), [[1, 0], [0, -2]])
    assert np.signbit(block.dense()).tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("suffix", [".nngraph", ".graphml"])
@pytest.mark.parametrize("by", ["node", "part", "block", "network"])
def test_files_of_graphs_give_the_tables_of_the_library(tmp_path, suffix, by):
    rng = np.random.default_rng(0)
    G = nng.from_matrices([rng.normal(size=(4, 3)), rng.normal(size=(2, 4))])
    path = tmp_path / f"net{suffix}"
    (nng.save if suffix == ".nngraph" else nng.write_graphml)(G, path)
    found = table(run(path, "--by", by))
    expected = nng.stats.table(nng.load(path) if suffix == ".nngraph" else nng.read_graphml(path), by=by)
    assert list(found.columns) == list(expected.columns)
    for column in expected.select_dtypes("number"):
        np.testing.assert_allclose(found[column].astype(float), expected[column].astype(float), rtol=1e-12)
    assert found["status"].tolist() == expected["status"].tolist()


def test_statistics_by_name_and_files_to_write(tmp_path):
    G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, 4.0]])])
    nng.save(G, tmp_path / "net.nngraph")
    arguments = [tmp_path / "net.nngraph", "--by", "node", "--statistic", "degree(side=source, sign=+)"]
    arguments += ["--statistic", "igraph.pagerank(weights=magnitude)"]
    printed = table(run(*arguments))
    assert list(printed.columns[-3:]) == [
        "degree(side=source, sign=+)",
        "igraph.pagerank(weights=magnitude)",
        "status",
    ]
    for name in ("nodes.csv", "nodes.parquet"):
        result = run(*arguments, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "nodes.csv"), printed)
    stored = pd.read_parquet(tmp_path / "nodes.parquet")
    assert stored["degree(side=source, sign=+)"].tolist()[:2] == [2, 1]
    assert stored["degree(side=source, sign=+)"].isna().tolist() == [False, False, True, True]


def test_a_function_gives_a_graph_or_a_model(tmp_path, monkeypatch):
    (tmp_path / "nets_of_mine.py").write_text(
        "import numpy as np, torch, nngraph as nng\n"
        "def graph(): return nng.from_matrices([np.ones((2, 3))])\n"
        "def model(): return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))\n"
        "def other(): return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert table(run("nets_of_mine:graph"))["n_edges"].tolist() == [6]
    assert table(run("nets_of_mine:model"))["n_edges"].tolist() == [12, 6]
    assert "returned int; expected a NeuralGraph or a torch module" in one_sentence(run("nets_of_mine:other"), 2)


def test_what_cannot_be_done_is_one_sentence(tmp_path):
    nng.save(nng.from_matrices([np.ones((2, 2))]), tmp_path / "net.nngraph")
    assert "there is no such file" in one_sentence(run(tmp_path / "none.safetensors"), 1)
    assert "there is no such file" in one_sentence(run(tmp_path / "none.pt", "--by", "node"), 1)
    net = tmp_path / "net.nngraph"
    assert "did you mean 'alpha'" in one_sentence(run(net, "--statistic", "alhpa"), 2)
    for by in ("block", "network"):
        refused = run(net, "--by", by, "--statistic", "degree_information(bins=1)")
        assert "bins: got 1; expected" in one_sentence(refused, 2)
    assert "ends in .csv or .parquet" in one_sentence(run(net, "--out", tmp_path / "a.xlsx"), 2)
    assert "does not exist; make it first" in one_sentence(run(net, "--out", tmp_path / "no" / "a.csv"), 2)
    (tmp_path / "short.safetensors").write_bytes(b"\x10")
    with pytest.raises(FormatError, match="no whole safetensors file"):
        FileBlocks(tmp_path / "short.safetensors")
