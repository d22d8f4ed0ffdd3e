import ast
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import nngraph

ROOT = Path(nngraph.__file__).parent
HEAVY = {"igraph", "matplotlib", "networkx", "numba", "ot", "pandas", "powerlaw", "scipy", "sklearn", "transformers"}
LAYERS = [
    {"errors", "_rng", "_progress", "_tables"},
    {"origins"},
    {"blocks"},
    {"parts"},
    {"_description"},
    {"graph"},
    {"_blockwise"},
    {"_folders", "convert", "ops", "nulls", "stats", "io", "datasets", "image_distances"},
    {"_stacked", "similarity", "dynamics", "sparse"},
    {
        "evaluation",
        "metrics",
        "models",
        "training",
        "robustness",
        "_robustness_matrices",
        "_robustness_probes",
        "store",
        "plot",
        "claims",
        "text",
        "token_tagging",
    },
    {"_complexity_tables", "_passes", "depth"},
    {"_tuning", "_tuning_tables", "finetuning", "interventions"},
    {"checkpoints", "twins", "_kept_maps"},
    {
        "_complexity_pages",
        "_complexity_scaling",
        "_complexity_tasks",
        "_complexity_units",
        "_study_arguments",
        "_units",
        "complexity",
        "many_trainings",
        "reports",
        "studies",
    },
    {"reproduce"},
    {"cli", "__main__"},
]
WITHOUT_TORCH = ("graph", "ops", "nulls", "stats", "io")


def modules():
    return sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))


def layer(module):
    top = module.split("/")[0]
    found = [i for i, names in enumerate(LAYERS) if top in names] or [0] * top.startswith("_")
    assert found, f"nngraph/{top} has no layer: add it to LAYERS where the design puts it"
    return found[0]


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imported(module, *, inside_functions):
    """Full names of what a module imports when it runs, type checking left out."""
    names, waiting = [], list(ast.parse((ROOT / f"{module}.py").read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if is_type_checking(node):
            waiting += node.orelse
        elif inside_functions or not is_function:
            waiting += ast.iter_child_nodes(node)
    return names


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return done.stdout.split()


def test_the_reader_of_imports_sees_what_runs_and_only_that():
    names = imported("convert/igraph", inside_functions=False)
    assert "numpy" in names
    assert "igraph" not in names
    assert "igraph" in imported("convert/igraph", inside_functions=True)


def test_importing_the_package_takes_under_a_fifth_of_a_second_and_loads_nothing_heavy():
    heavy = sorted(
        (HEAVY | {"torch", "matplotlib.pyplot", "scipy.stats", "tqdm", "joblib", "pyarrow"}) - {"matplotlib"}
    )
    seconds, *loaded = run(
        "import sys, time; start = time.process_time(); import nngraph; "
        f"print(time.process_time() - start, *[name for name in {heavy} if name in sys.modules])"
    )
    assert loaded == []
    assert float(seconds) < 0.2


def test_making_a_graph_loads_nothing_heavy_either():
    loaded = run(
        "import sys, numpy as np, nngraph as nng; G = nng.from_matrices([np.ones((2, 3))]); repr(G); G.weights(); "
        f"print(*[name for name in {sorted(HEAVY | {'torch'})} if name in sys.modules])"
    )
    assert loaded == []


@pytest.mark.parametrize("package", [name for name in WITHOUT_TORCH if importlib.util.find_spec(f"nngraph.{name}")])
def test_the_graph_and_what_acts_on_it_load_without_torch(package):
    names = [f"nngraph.{package}"]
    if (ROOT / package).is_dir():
        names += [found.name for found in pkgutil.walk_packages([str(ROOT / package)], f"nngraph.{package}.")]
    loaded = run(
        f"import importlib, sys; [importlib.import_module(name) for name in {names}]; "
        "print(len([name for name in sys.modules if name.startswith('nngraph')]), 'torch' in sys.modules)"
    )
    assert int(loaded[0]) > len(names)
    assert loaded[1] == "False"


@pytest.mark.parametrize("module", modules())
def test_imports_of_a_module_go_one_way_and_the_heavy_ones_wait_for_their_first_use(module):
    top = module.split("/")[0]
    everywhere = {name.split(".")[0] for name in imported(module, inside_functions=True)}
    assert top == "plot" or "matplotlib" not in everywhere
    assert top not in WITHOUT_TORCH or "torch" not in everywhere
    at_the_top = imported(module, inside_functions=False)
    kernels = {"numba"} if "_kernels" in module else set()  # decorators need it; no module imports them early
    assert HEAVY & {name.split(".")[0] for name in at_the_top} <= kernels
    assert kernels or not [name for name in at_the_top if "._kernels" in name]
    if module == "__init__":
        assert not [name for name in at_the_top if name.startswith("nngraph")]
        return
    own = [name.split(".")[1] for name in at_the_top if name.startswith("nngraph.")]
    assert [name for name in own if name != top and layer(name) > layer(module)] == []


def test_no_lazily_exported_name_is_the_name_of_its_module():
    assert [name for name, module in nngraph._NAMES.items() if module.split(".")[-1] == name] == []


@pytest.mark.parametrize("name", sorted(nngraph._NAMES))
def test_a_lazily_exported_name_is_the_object_of_its_module(name):
    module = f"nngraph.{nngraph._NAMES[name]}"
    if not (ROOT / f"{nngraph._NAMES[name].replace('.', '/')}.py").exists():
        pytest.skip(f"{module} is not written yet")
    assert getattr(nngraph, name) is getattr(importlib.import_module(module), name)
    assert name in dir(nngraph)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = nngraph.no_such_name
