"""Backups: of all customers, and of one. Only with the collectors customers, backup_jobs and backup_overview."""

import look
import panels
from layout import Board
from look import CRITICAL, INFO, WARNING
from panels import GAUGE, TEXT, Column, Query
from promql import CUSTOMER, MODULE, PLAN, Scope, count

OFF = "collectors of backups are off by default"
NO_VALUE = "no data: are the collectors of backups enabled and granted?"


class Backups:
    """The queries about backups of the customers of a dashboard."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        once = scope.recorded_once
        self.failed = once(CUSTOMER, "avepoint:customer_job_status:last", 'status=~"failed|multiple_issues"')
        self.status = once(f"{CUSTOMER}, status", "avepoint:customer_job_status:last")
        self.plan_status = once(f"{PLAN}, status", "avepoint:backup_job_status:last")
        self.failed_share = once(PLAN, "avepoint:backup_job_failed:ratio")
        self.bad_runs = once(PLAN, "avepoint:backup_job_bad_runs:count")
        self.ended = once(PLAN, "avepoint:backup_job_end_timestamp_seconds:last")
        self.scanned = once(MODULE, "avepoint:backup_objects_scanned:last")
        self.protected = once(MODULE, "avepoint:backup_objects_protected:last")
        self.coverage = once(MODULE, "avepoint:backup_coverage:ratio")
        self.stored = scope.once(f"{MODULE}, storage", "avepoint_backup_stored_bytes")


def all_customers(board: Board, scope: Scope, customer: Column, ids: list) -> None:
    of = Backups(scope)
    board.row("Backups")
    for title, description, expr, base, color, alert in [
        (
            "Backups failed",
            "Customers with the job status failed or multiple issues.",
            of.failed,
            of.status,
            CRITICAL,
            "AvePointBackupFailed",
        ),
        (
            "Not configured",
            "Customers whose backup waits to be configured.",
            scope.recorded("avepoint:customer_job_status:last", 'status="waiting_for_configuration"'),
            of.status,
            INFO,
            "AvePointBackupNotConfigured",
        ),
        (
            "Plans with errors",
            "Plans of which the last two runs or more failed, or failed for more than 5 % of their objects.",
            f"{of.bad_runs} >= 2",
            of.plan_status,
            WARNING,
            "AvePointBackupJobErrors",
        ),
        (
            "Plans without a run",
            "Plans that ended a run on three days on end, and none for 36 hours.",
            scope.recorded_once(PLAN, "avepoint:band:backup_stale"),
            of.plan_status,
            WARNING,
            "AvePointBackupStale",
        ),
    ]:
        query = Query(count(expr, base), may_be_empty=OFF)
        steps, links = look.any_is(color), [look.runbook(alert)]
        board.add(panels.stat(title, description, [query], steps=steps, links=links, decimals=0, no_value="not read"), 3, 8)
    stored = f"sum by (storage) ({of.stored})"
    board.add(
        panels.lines(
            "Data stored by backups",
            "Of the customers selected, in AvePoint's storage and in their own.",
            [Query(stored, "{{storage}}", OFF)],
            unit="bytes",
            soft_min=0,
            stack=True,
            no_value="not read",
        ),
        12,
        8,
    )
    low = scope.recorded_once(f"{CUSTOMER}, severity", "avepoint:band:backup_failed")
    board.add(
        panels.table(
            "Customers whose backups fail",
            "The job status failed or multiple issues for 2 hours, and for how long. AvePointBackupFailed.",
            [Query(scope.named(f"max by ({CUSTOMER}) ({low})"), may_be_empty=OFF)],
            [customer, Column("Value", "Failing for", unit="dtdurations", decimals=0, width=190), *ids],
            sort="Failing for",
            no_value="none",
            links=[look.runbook("AvePointBackupFailed")],
        ),
        12,
        8,
    )
    _modules(board, of, [customer], ids)
    _plans(board, of, [customer], ids, 24)


def one_customer(board: Board, scope: Scope) -> None:
    of = Backups(scope)
    board.row("Backups")
    _plans(board, of, [], [], 12)
    _modules(board, of, [], [])
    board.add(
        panels.lines(
            "Protected objects",
            "Protected objects as a share of those that AvePoint found, by service and module (numbers of AvePoint). Dashed: 95 %.",
            [Query(of.coverage, "{{service_type}} / {{service_module}}", OFF)],
            unit="percentunit",
            steps=look.COVERAGE,
            max=1,
            no_value="not read",
            links=[look.runbook("AvePointBackupCoverageLow")],
        ),
        12,
        8,
    )
    board.add(
        panels.lines(
            "Data stored by backups",
            "In AvePoint's storage and in the customer's own.",
            [Query(f"sum by (storage) ({of.stored})", "{{storage}}", OFF)],
            unit="bytes",
            soft_min=0,
            stack=True,
            no_value="not read",
        ),
        12,
        8,
    )


def _plans(board: Board, of: Backups, before: list, after: list, width: int) -> None:
    hide = ["job_type", "job_module"] if before else ["job_type", "job_module", "partner", "customer_id"]
    board.add(
        panels.table(
            "Plans",
            "The newest run of each plan: its status, the share of its objects that failed, how many runs on end were bad, and when "
            "one ended. AvePointBackupJobErrors from two bad runs on, AvePointBackupStale without an end for 36 hours.",
            [
                Query(of.scope.named(of.plan_status) if before else of.plan_status, may_be_empty=OFF),
                Query(of.failed_share, may_be_empty=OFF),
                Query(of.bad_runs, may_be_empty=OFF),
                Query(f"{of.ended} * 1000", may_be_empty=OFF),
            ],
            [
                *before,
                Column("plan", "Plan", width=200),
                Column("status", "Status", width=180),
                Column("B", "Failed objects", unit="percentunit", decimals=1, width=130, thresholds=look.FAILED_SHARE, cell=TEXT),
                Column("C", "Bad runs on end", width=140, thresholds=[(None, look.OK), (2, WARNING)], cell=TEXT),
                Column("D", "Last end", unit="dateTimeAsIso", width=170),
                *after,
            ],
            sort="Failed objects",
            hide=hide,
            no_value=NO_VALUE,
            links=[look.runbook("AvePointBackupJobErrors"), look.runbook("AvePointBackupStale")],
        ),
        width,
        8,
    )


def _modules(board: Board, of: Backups, before: list, after: list) -> None:
    board.add(
        panels.table(
            "Coverage",
            "Objects that AvePoint found and that a backup protects, by service and module (numbers of AvePoint). Under 95 %, with at "
            "least 3 missing, they raise AvePointBackupCoverageLow.",
            [
                Query(of.scope.named(of.protected) if before else of.protected, may_be_empty=OFF),
                Query(of.scanned, may_be_empty=OFF),
                Query(of.coverage, may_be_empty=OFF),
            ],
            [
                *before,
                Column("service_type", "Service", width=90),
                Column("service_module", "Module", width=90),
                Column("A", "Protected", width=110),
                Column("B", "Found", width=110),
                Column("C", "Coverage", unit="percentunit", decimals=1, thresholds=look.COVERAGE, cell=GAUGE),
                *after,
            ],
            sort="Coverage",
            desc=False,
            hide=[] if before else ["partner", "customer_id"],
            no_value=NO_VALUE,
            links=[look.runbook("AvePointBackupCoverageLow")],
        ),
        12,
        8,
    )
