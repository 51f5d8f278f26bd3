"""Identity: who may join, what a certificate says, who may call what, when to renew.

    tokens      join tokens: a fingerprint of the root and a secret (pure)
    issue       from a join or renewal to the facts of a certificate, or a refusal (pure)
    authorize   which roles may call which methods (pure)
    renew       when a certificate is to be renewed (pure)
    crypto      the Crypto port: keys, certificates, seals

The CA's key lies in the sealed replicated state only.
"""
