"""A cluster of raft cores in virtual time, from a seed: `world` (members, links, checks), `runs` (faults)."""
