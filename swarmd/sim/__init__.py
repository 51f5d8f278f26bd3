"""A cluster in one process, from a seed; never imported by the product."""
