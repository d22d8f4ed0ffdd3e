"""Layer groups from the similarity of representations (arXiv:2410.16484), done again on networks that train here."""
