"""SWIM membership among all nodes; carries liveness, which may only subtract.

    messages    what nodes say about each other
    wire        messages to datagrams and back, sealed
    keyring     the three keys of a rotation
    suspicion   how long a suspect has to refute (the formula alone)
    awareness   how far this node trusts itself (Lifeguard)
    patience    time that stands still while this process does
    broadcast   news on its way: what goes into the next datagram
    table       who is known, and as what
    suspects    who is suspected, by whom, until when
    probing     a probe, a relay, and whom to probe next
    prober      one probe at a time, and probes on behalf of others
    outbox      what one step wants sent, packed with news
    members     the core: all of it together, without I/O
    settings    the numbers
    loop        the core on datagrams and a clock

Sources: Das, Gupta, Motivala, SWIM (2002); Dadgar, Phillips, Currey, Lifeguard (2017);
hashicorp/memberlist for the numbers that are not our own.  Nothing here knows of services or tasks.
"""
