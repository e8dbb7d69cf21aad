"""A broadcast to every web node, two nodes out of those in one place, and one node by its name."""

from __future__ import annotations

from dkronpy import Job, Shell, all_nodes, any_node, cron, every, on_node

Job(
    name="rotate-logs",
    schedule=cron("@daily"),
    run=Shell("logrotate /etc/logrotate.conf", user="root"),
    on=all_nodes(role="web"),
)
Job(name="warm-caches", schedule=every("1h"), run=Shell("warm-caches"), on=any_node(2, role="web", dc="fra"))
Job(name="snapshot", schedule=cron("~ 2 * * *"), run=Shell("snapshot /data"), on=on_node("db1"))
