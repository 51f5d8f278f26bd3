"""The calls between nodes: their names, and who may make them."""

from collections.abc import Mapping

from swarmd.ca.authorize import Access

#: What a connection is for: its first frame.
RPC, RAFT = b"rpc", b"raft"

ROOT = "ca.root"
JOIN = "ca.join"
RENEW = "ca.renew"
MANAGERS = "dispatcher.managers"
SESSION = "dispatcher.session"
HEARTBEAT = "dispatcher.heartbeat"
GOODBYE = "dispatcher.goodbye"
DESCRIBE = "dispatcher.describe"
ASSIGNMENTS = "dispatcher.assignments"
REPORT = "dispatcher.report"
LOG_SUBSCRIPTIONS = "dispatcher.log_subscriptions"
PUBLISH_LOGS = "dispatcher.publish_logs"
DATA_PLANE = "dispatcher.data_plane"
WITHDRAWN = "node.withdrawn"
ENLIST = "raft.enlist"
RETIRE = "raft.retire"
FORWARD = "api.forward"
#: no call but what a connection for raft needs
STEP = "raft.step"

RULES: Mapping[str, Access] = {
    ROOT: Access.ANYBODY,
    JOIN: Access.ANYBODY,
    RENEW: Access.NODES,
    MANAGERS: Access.NODES,
    SESSION: Access.NODES,
    HEARTBEAT: Access.NODES,
    GOODBYE: Access.NODES,
    DESCRIBE: Access.NODES,
    ASSIGNMENTS: Access.NODES,
    REPORT: Access.NODES,
    LOG_SUBSCRIPTIONS: Access.NODES,
    PUBLISH_LOGS: Access.NODES,
    DATA_PLANE: Access.NODES,
    WITHDRAWN: Access.NODES,
    ENLIST: Access.MANAGERS,
    RETIRE: Access.NODES,
    FORWARD: Access.MANAGERS,
    STEP: Access.MANAGERS,
}
