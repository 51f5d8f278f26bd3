"""Where tasks go: filters, spread, resources, constraints."""
