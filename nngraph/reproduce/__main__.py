"""``python -m nngraph.reproduce``: put finished ledgers into the README and the documentation."""

from __future__ import annotations

import argparse
from pathlib import Path

from nngraph.errors import NNGraphError
from nngraph.reproduce import _ledger_tables


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, write the table and the page."""
    parser = argparse.ArgumentParser(prog="python -m nngraph.reproduce", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of nngraph reproduce")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="page with the markers of the ledger")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder that gets ledger.md")
    options = parser.parse_args(arguments)
    try:
        _ledger_tables.publish(options.folders, options.readme, options.docs)
    except (NNGraphError, OSError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
