"""The spectrum of a Hessian: what it is of, and how it is asked for products."""
