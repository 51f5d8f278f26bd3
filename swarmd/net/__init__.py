"""Frames, TLS, RPC, datagrams: the real Network, Disk and Crypto ports."""
