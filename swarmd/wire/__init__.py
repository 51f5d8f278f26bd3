"""Docker's JSON, the one place: field names, durations, timestamps, quirks, status codes.

codec       every noun, both ways             packed     typed msgpack, between nodes
swarm, node, service, task, network           one noun each
container   a task as the engine creates it   bridge     a network as the engine creates it
events, logs                                  streams as Docker's clients read them
errors      status codes and sentences        filters    of lists
ipam        subnets as the engine checks them templates  in specs
times       moments as Docker writes them
"""
