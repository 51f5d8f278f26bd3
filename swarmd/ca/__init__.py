"""Identity: roots, certificates, join tokens, renewal."""
