"""What a cluster is: frozen structs, their verbs, and what makes a spec valid.

Every other package speaks in these.

    base         of every record            meta        what every object has beside its content
    ids          types, and how they derive names       of services and images
    spec         what users ask for         validate    its first problem, in Docker's words
    cluster      settings, root, keys       node        wanted, told, seen
    service      a spec and what follows    task        one attempt to run one container
    network      asked for, allocated       devices     what our links and bridges are called
    assignment   between dispatcher and agent           dataplane   what a node must know of networks
    planeparts   the same in parts, as it is sent
"""
