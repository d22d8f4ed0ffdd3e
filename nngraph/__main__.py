"""``python -m nngraph``: the command line."""

from nngraph.cli import app

if __name__ == "__main__":
    app(prog_name="nngraph")
