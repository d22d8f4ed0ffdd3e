"""Published studies, redone: one package for each, with what held and what did not."""
