"""The papers that the methods come from, done again: one module or folder for each."""
