"""Data sets by name, from archives or from scikit-learn."""
