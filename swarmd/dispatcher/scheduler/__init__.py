"""Where tasks go; no I/O.

place        pending tasks get their nodes         filters    which nodes may be, each with its no
spread       how many go to each branch            constraints  `key==value`, `key!=value`
resources    generic resources by kind
"""
