"""Programs around swarmd: the lab of hosts, the demo."""
