"""swarmd: Docker Swarm mode as one daemon beside a stock Docker Engine.

Read `docs/architecture.md` for the shape, `docs/words.md` for the words.  Packages, bottom up:
`lib errors ports config` · `model` · `wire net` · `raft gossip engine` · `store` · `ca compose` ·
`dispatcher agent ingress overlay dns` · `api` · `daemon` · `cli sim`.
"""

__version__ = "0.1.0"
