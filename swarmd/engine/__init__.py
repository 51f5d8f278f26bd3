"""The Engine port on a stock Docker Engine."""
