"""Names of services, answered on each node."""
