"""Consensus on bytes, on pysyncobj; knows no model."""
