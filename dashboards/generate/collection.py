"""Of the exporter's dashboard: what is polled, how late that is, how old the data is."""

import look
import panels
from layout import Board
from look import CRITICAL, WARNING
from panels import COLORED, Column, Query
from promql import PARTNER as P
from promql import RATE

QUIET = "no failure of this kind is known yet"
OPTIONAL = "only of collectors that are off by default"


def add(board: Board) -> None:
    board.row("Collection: polls and freshness")
    by = "job, partner, collector"
    interval = f"max by ({by}) ({P.raw('avepoint_collector_interval_seconds')})"
    max_age = f"max by ({by}) ({P.raw('avepoint_collector_max_age_seconds')})"
    oldest = (
        f"time() - min by ({by}) (max by ({by}, customer_id) "
        f"({P.raw('avepoint_collector_last_success_timestamp_seconds')}))"
    )
    targets = [
        P.once(by, "avepoint_collector_targets", f'state="{state}"')
        for state in ("fresh", "failing", "stale", "pending", "absent")
    ]
    not_granted = P.once(by, "avepoint_collector_targets", 'state="not_granted"')
    board.add(
        panels.table(
            "Collectors",
            "Targets of every collector by state, the age of the oldest data of a customer, and what is configured. Targets "
            "that fail or are stale raise AvePointCollectorFailing once none is fresh. Not granted: the app registration lacks the "
            "collector's permission.",
            [*map(Query, targets), Query(oldest), Query(f"({oldest}) / {max_age}"), Query(interval), Query(max_age), Query(not_granted, may_be_empty=OPTIONAL)],
            [
                Column("partner", "Partner"),
                Column("collector", "Collector", width=160),
                Column("A", "Fresh", width=80),
                Column("B", "Failing", width=80, thresholds=look.any_is(WARNING), cell=COLORED),
                Column("C", "Stale", width=80, thresholds=look.any_is(CRITICAL), cell=COLORED),
                Column("D", "Pending", width=80),
                Column("E", "Absent", width=80),
                Column("J", "Not granted", width=110, thresholds=look.any_is(WARNING), cell=COLORED),
                Column("F", "Oldest data", unit="dtdurations", decimals=0, width=160),
                Column(
                    "G",
                    "Share of max_age",
                    unit="percentunit",
                    decimals=0,
                    width=140,
                    thresholds=look.AGE,
                    cell=COLORED,
                ),
                Column("H", "Interval", unit="dtdurations", decimals=0, width=100),
                Column("I", "max_age", unit="dtdurations", decimals=0, width=100),
            ],
            sort="Share of max_age",
            links=[
                look.runbook("AvePointCollectorFailing"),
                look.runbook("AvePointTargetsFailing"),
                look.runbook("AvePointDataStale"),
            ],
        ),
        16,
        9,
    )
    board.add(
        panels.lines(
            "Poll lag",
            "How late the most overdue target is, and twice the shortest interval: a lag above it raises AvePointPollingBehind. "
            "In a first pass everything is late.",
            [
                Query(
                    f"max by (instance, partner) ({P.raw('avepoint_poll_lag_seconds')})",
                    "{{partner}} on {{instance}}",
                ),
                Query(
                    f"2 * min by (partner) ({P.raw('avepoint_collector_interval_seconds')})",
                    "{{partner}}: twice the shortest interval",
                ),
            ],
            unit="s",
            soft_min=0,
            links=[look.runbook("AvePointPollingBehind")],
        ),
        8,
        9,
    )
    board.add(
        panels.lines(
            "Targets by state",
            "Targets of all collectors of the selected partners, on every instance.",
            [Query(f"sum by (instance, state) ({P.raw('avepoint_collector_targets')})", "{{state}} on {{instance}}")],
            stack=True,
            steps_after=True,
        ),
        8,
        8,
    )
    board.add(
        panels.lines(
            "Polls",
            "Polls of targets that finished, by collector.",
            [Query(P.rate("partner, collector", "avepoint_collector_polls_total"), "{{partner}} {{collector}}")],
            unit="ops",
            soft_min=0,
        ),
        8,
        8,
    )
    board.add(
        panels.lines(
            "Failed polls",
            "Polls of targets that failed after all retries, by collector and reason.",
            [
                Query(
                    f"{P.rate('partner, collector, reason', 'avepoint_collector_poll_failures_total')} > 0",
                    "{{partner}} {{collector}}: {{reason}}",
                    QUIET,
                )
            ],
            unit="ops",
            soft_min=0,
            no_value="no failures",
            links=[look.runbook("AvePointCollectorFailing")],
        ),
        8,
        8,
    )
    board.add(
        panels.lines(
            "Age of the oldest data",
            "Time since the customer that is furthest behind was read, by collector. It rises to the interval and falls back.",
            [Query(oldest, "{{partner}} {{collector}}")],
            unit="s",
            soft_min=0,
            links=[look.runbook("AvePointDataStale")],
        ),
        12,
        8,
    )
    board.add(
        panels.lines(
            "Unreadable values",
            "Values of the API that could not be read and are missing from the metrics, by field.",
            [
                Query(
                    f"sum by (partner, field) (increase({P.raw('avepoint_unreadable_values_total')}{RATE})) > 0",
                    "{{partner}}: {{field}}",
                    QUIET,
                )
            ],
            draw_bars=True,
            soft_min=0,
            no_value="none",
            links=[look.runbook("AvePointUnreadableValues")],
        ),
        12,
        8,
    )
