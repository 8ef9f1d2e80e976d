"""Of the exporter's dashboard: exporters that share a lease."""

import look
import panels
from layout import Board
from look import NEUTRAL, OK, WARNING
from panels import Query
from promql import RATE
from promql import TARGET as T

ALONE = "an exporter alone has no lease"
NO_LEASE = {"no_value": "no lease"}


def add(board: Board) -> None:
    board.row("Replicas")
    leading = T.raw("avepoint_exporter_leading")
    renewed = T.raw("avepoint_exporter_lease_renew_timestamp_seconds")
    taken = T.raw("avepoint_exporter_lease_transitions_total")
    board.add(
        panels.stat(
            "Who leads",
            "The exporter that polls. A standby exports its own metrics only. None that leads for 5 minutes raises "
            "AvePointNoLeader, two AvePointTwoLeaders.",
            [Query(leading, "{{instance}} {{lease}}")],
            mapping=look.mapping({"1": ("leads", OK), "0": ("standby", NEUTRAL)}),
            links=[look.runbook("AvePointNoLeader"), look.runbook("AvePointTwoLeaders"), look.runbook("AvePointReplicaDown")],
        ),
        6,
        8,
    )
    board.add(
        panels.lines(
            "Who led",
            "1 while an exporter leads, 0 while it is a standby.",
            [Query(leading, "{{instance}} {{lease}}")],
            steps_after=True,
            soft_min=0,
            max=1,
            links=[look.runbook("AvePointNoLeader")],
        ),
        6,
        8,
    )
    board.add(
        panels.lines(
            "Take-overs",
            "Changes of the leader, as each exporter saw them.",
            [Query(f"max by (lease, instance) (increase({taken}{RATE}))", "{{instance}} {{lease}}", ALONE)],
            draw_bars=True,
            soft_min=0,
            **NO_LEASE,
        ),
        6,
        8,
    )
    board.add(
        panels.lines(
            "Age of the lease",
            "Time since the leader renewed its lease; of a standby, since it last saw that. The leader stops polling at "
            "renew_deadline (30 s by default), and a standby takes over after lease_duration (35 s).",
            [Query(f"time() - {renewed}", "{{instance}} {{lease}}", ALONE)],
            unit="s",
            steps=[(None, OK), (30, WARNING)],
            soft_min=0,
            links=[look.runbook("AvePointNoLeader")],
            **NO_LEASE,
        ),
        6,
        8,
    )
