"""Frames, TLS, RPC, datagrams, disk, the kernel's tools: the real ports of everything but the engine.

    frames      length-prefixed frames (pure)
    rpc         calls and streams, many on one connection (pure)
    caller      the calling side of `rpc` on a Connection
    serve       the answering side
    contexts    SSL contexts from Credentials, a Peer from a certificate
    tls         TLS as an asyncio protocol, with half-close and little memory
    streams     the Network port: TLS streams of frames, datagrams
    disk        the Disk port on a directory
    clock       the Clock and Random ports
    kernel      the Kernel port: ip, bridge, nft as processes
    netlink     links that are deleted, as the kernel tells
    addresses   "host:port" to its parts and back (pure)

Nothing here knows what the frames mean.
"""
