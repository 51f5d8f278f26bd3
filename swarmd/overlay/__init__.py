"""Networks between nodes: an engine bridge with one VXLAN port each."""
