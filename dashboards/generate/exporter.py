"""Exporter: whether it is well, what it asks of the API, how fresh its data is, what a scrape costs."""

import collection
import look
import panels
import replicas
from collection import QUIET
from grafana_foundation_sdk.models import common
from layout import Board
from look import CRITICAL, OK, WARNING
from panels import COLORED, Column, Query
from promql import PARTNER as P
from promql import RATE
from promql import TARGET as T

IDLE = "no request of this kind within the interval"
NOT_SET = "known only for a certificate, or if the configuration has the secret's date"
FAILURES = "avepoint_api_request_failures_total"
REQUESTS = "avepoint_api_requests_total"


def board() -> Board:
    board = Board(
        "avepoint-exporter",
        "AvePoint / Exporter",
        "Health of avepoint_exporter: the API, the request budget, polls, freshness, and the cost of scrapes.",
        start="now-6h",
        refresh="1m",
    )
    board.link("Seats and subscriptions", look.TO_SEATS)
    board.link("Customer", look.TO_CUSTOMER)
    _at_a_glance(board)
    replicas.add(board)
    collection.add(board)
    _api(board)
    _budget(board)
    _credentials(board)
    _scrapes(board)
    return board


def _at_a_glance(board: Board) -> None:
    board.row("At a glance")
    yes_no = {"mapping": look.mapping({"1": ("yes", OK), "0": ("no", CRITICAL)})}
    seconds_ago = {"unit": "dateTimeFromNow"}
    name = common.BigValueTextMode.NAME
    reload = {"links": [look.runbook("AvePointConfigReloadFailed")]}
    for title, description, expr, legend, empty, more in [
        (
            "Up",
            "Whether Prometheus could scrape the exporter: the targets of AvePointExporterDown, whose job name contains avepoint.",
            T.raw("up", 'job=~".*avepoint.*"'),
            "{{instance}}",
            "",
            {
                "mapping": look.mapping({"1": ("up", OK), "0": ("down", CRITICAL)}),
                "links": [look.runbook("AvePointExporterDown")],
            },
        ),
        (
            "Version",
            "The builds that are running.",
            f"group by (version, revision) ({T.raw('avepoint_exporter_build_info')})",
            "{{version}} ({{revision}})",
            "",
            {"text_mode": name},
        ),
        (
            "Customers",
            "Customers known, after include, exclude and list.",
            f"sum(max by (job, partner) ({P.raw('avepoint_customers')}))",
            "",
            "",
            {},
        ),
        (
            "Last complete listing",
            "When the list of customers was last read completely, of the partner that is furthest " "behind.",
            f"min(max by (job, partner) ({P.raw('avepoint_discovery_last_success_timestamp_seconds')})) * 1000",
            "",
            "",
            seconds_ago,
        ),
        (
            "Configuration in force",
            "Whether the last reload of the configuration was successful on all instances.",
            f"min({T.raw('avepoint_exporter_config_last_reload_successful')})",
            "",
            "",
            yes_no | reload,
        ),
        (
            "Configuration loaded",
            "When the configuration was last loaded or reloaded successfully.",
            f"max({T.raw('avepoint_exporter_config_last_reload_success_timestamp_seconds')}) * 1000",
            "",
            "",
            seconds_ago | reload,
        ),
        (
            "State saved",
            "When the state file was last written.",
            f"min({T.raw('avepoint_exporter_state_last_save_timestamp_seconds')}) * 1000",
            "",
            "there need not be a state file",
            seconds_ago | {"no_value": "no state file", "links": [look.runbook("AvePointStateNotSaved")]},
        ),
        (
            "Started",
            "When the process that runs for the shortest time was started.",
            f"max({T.ours(T.raw('process_start_time_seconds'))}) * 1000",
            "",
            "",
            seconds_ago,
        ),
    ]:
        board.add(panels.stat(title, description, [Query(expr, legend, empty)], **more), 3, 4)


def _api(board: Board) -> None:
    board.row("API")
    buckets = P.rate("operation, le", "avepoint_api_request_duration_seconds_bucket")
    board.add(
        panels.lines(
            "Requests",
            "HTTP requests sent, retries included, by operation.",
            [Query(P.rate("partner, operation", REQUESTS), "{{partner}} {{operation}}")],
            unit="reqps",
            soft_min=0,
            stack=True,
        ),
        12,
        8,
    )
    by = "partner, operation"
    board.add(
        panels.lines(
            "Share of failed requests",
            "Requests that failed, retried ones included, as a share of those sent, by operation. A 404 that means absence "
            "is not a failure.",
            [Query(f"{P.rate(by, FAILURES)} / ({P.rate(by, REQUESTS)} > 0)", "{{partner}} {{operation}}", IDLE)],
            unit="percentunit",
            soft_min=0,
            max=1,
            no_value="no failures",
        ),
        12,
        8,
    )
    board.add(
        panels.lines(
            "Failures by reason",
            "Requests that failed, retried ones included, by reason.",
            [
                Query(
                    f"{P.rate('partner, operation, reason', FAILURES)} > 0",
                    "{{partner}} {{operation}}: {{reason}}",
                    QUIET,
                )
            ],
            unit="reqps",
            soft_min=0,
            no_value="no failures",
        ),
        8,
        8,
    )
    board.add(
        panels.lines(
            "Retries",
            "Requests that repeated a failed one, by operation.",
            [Query(P.rate("partner, operation", "avepoint_api_retries_total"), "{{partner}} {{operation}}")],
            unit="reqps",
            soft_min=0,
        ),
        8,
        8,
    )
    board.add(
        panels.lines(
            "Latency",
            "Time from sending a request to its complete answer or its failure: the 50th, 90th and 99th percentile by "
            "operation.",
            [
                Query(f"histogram_quantile({quantile}, {buckets})", f"{{{{operation}}}} p{name}")
                for quantile, name in ((0.5, "50"), (0.9, "90"), (0.99, "99"))
            ],
            unit="s",
            soft_min=0,
            no_value="no requests",
        ),
        8,
        8,
    )


def _budget(board: Board) -> None:
    board.row("Budget")
    api_only = P.raw(REQUESTS, 'operation!="token"')
    planned = P.raw("avepoint_collector_planned_requests_per_second")
    limit = f"min by (partner) ({P.raw('avepoint_api_rate_limit_requests_per_second')})"
    board.add(
        panels.lines(
            "Request rate and its limit",
            "Requests sent to the API (those for tokens are not counted), the least that keep the intervals of the present "
            "targets (planned), and the rate that they are held to now: it is halved after a 429 and grows back. Planned "
            "above the limit: the data gets older than its interval.",
            [
                Query(f"sum by (partner, instance) (rate({api_only}{RATE}))", "{{partner}} on {{instance}}: sent"),
                Query(f"sum by (partner, instance) ({planned})", "{{partner}} on {{instance}}: planned"),
                Query(limit, "{{partner}}: limit"),
            ],
            unit="reqps",
            soft_min=0,
            links=[look.runbook("AvePointApiThrottled")],
        ),
        10,
        8,
    )
    board.add(
        panels.lines(
            "Share of time throttled",
            "Time for which no request was allowed after a 429; more than half of 30 minutes raises AvePointApiThrottled.",
            [Query(f"max by (partner) (rate({P.raw('avepoint_api_throttled_seconds_total')}{RATE}))", "{{partner}}")],
            unit="percentunit",
            steps=[(None, OK), (0.5, WARNING)],
            soft_min=0,
            max=1,
            links=[look.runbook("AvePointApiThrottled")],
        ),
        8,
        8,
    )
    board.add(
        panels.stat(
            "Throttled now",
            "Whether the API holds requests back after a 429.",
            [Query(f"max by (partner) ({P.raw('avepoint_api_throttled')})", "{{partner}}")],
            mapping=look.mapping({"1": ("throttled", WARNING), "0": ("no", OK)}),
            links=[look.runbook("AvePointApiThrottled")],
        ),
        6,
        8,
    )


def _credentials(board: Board) -> None:
    board.row("Tokens and credentials")
    credential = f"min by (partner, credential) ({P.raw('avepoint_auth_credential_expiration_timestamp_seconds')})"
    board.add(
        panels.table(
            "Credentials",
            "When the partners' own secrets and certificates expire: orange within 30 days, red within 7, as "
            "AvePointCredentialExpiring.",
            [
                Query(f"{credential} * 1000", may_be_empty=NOT_SET),
                Query(f"{credential} - time()", may_be_empty=NOT_SET),
            ],
            [
                Column("partner", "Partner"),
                Column("credential", "Credential", width=130),
                Column("A", "Expires", unit="dateTimeAsIso", width=170),
                Column(
                    "B",
                    "In",
                    unit="dtdurations",
                    decimals=0,
                    width=190,
                    thresholds=look.CREDENTIAL_SECONDS_LEFT,
                    cell=COLORED,
                ),
            ],
            sort="In",
            desc=False,
            no_value="no date known",
            links=[look.runbook("AvePointCredentialExpiring")],
        ),
        8,
        8,
    )
    token = f"min by (partner, scope, instance) ({P.raw('avepoint_auth_token_expiration_timestamp_seconds')})"
    board.add(
        panels.lines(
            "Lifetime of the token",
            "How long the last access token still holds. Below 0 nothing can be read.",
            [Query(f"{token} - time()", "{{partner}} ({{scope}}) on {{instance}}")],
            unit="s",
            soft_min=0,
            no_value="no token yet",
            links=[look.runbook("AvePointTokenRefused")],
        ),
        8,
        8,
    )
    failures = P.raw("avepoint_auth_token_request_failures_total")
    board.add(
        panels.lines(
            "Token requests",
            "Requests for an access token, and those that failed by reason.",
            [
                Query(
                    f"sum by (partner) (increase({P.raw('avepoint_auth_token_requests_total')}{RATE}))",
                    "{{partner}}: requests",
                ),
                Query(f"sum by (partner, reason) (increase({failures}{RATE})) > 0", "{{partner}}: {{reason}}", QUIET),
            ],
            draw_bars=True,
            soft_min=0,
            links=[look.runbook("AvePointTokenRefused")],
        ),
        8,
        8,
    )


def _scrapes(board: Board) -> None:
    board.row("Cost of scrapes and process")
    for title, description, queries, unit, more in [
        (
            "Scrape duration",
            "What a scrape takes, as Prometheus sees it.",
            [(T.ours(T.raw("scrape_duration_seconds")), "{{instance}}")],
            "s",
            {},
        ),
        (
            "Samples of a scrape",
            "Samples that a scrape gives, and the series among them that come from the inventory.",
            [
                (T.ours(T.raw("scrape_samples_scraped")), "{{instance}}: samples"),
                (T.raw("avepoint_exporter_series"), "{{instance}}: series of the inventory"),
            ],
            "short",
            {},
        ),
        (
            "Scrapes",
            "Answers sent on the telemetry path, whoever asks.",
            [(f"sum by (instance) (rate({T.raw('avepoint_exporter_scrapes_total')}{RATE}))", "{{instance}}")],
            "reqps",
            {},
        ),
        (
            "CPU",
            "Processor time used, in seconds per second: 1 is a whole core.",
            [(f"sum by (instance) ({T.ours('rate(' + T.raw('process_cpu_seconds_total') + RATE + ')')})", "{{instance}}")],
            "short",
            {"decimals": 3},
        ),
        (
            "Memory",
            "Resident memory of the process.",
            [(T.ours(T.raw("process_resident_memory_bytes")), "{{instance}}")],
            "bytes",
            {},
        ),
        (
            "File descriptors",
            "Open files and sockets, and how many there may be.",
            [(T.ours(T.raw("process_open_fds")), "{{instance}}: open"), (T.ours(T.raw("process_max_fds")), "{{instance}}: limit")],
            "short",
            {},
        ),
    ]:
        board.add(
            panels.lines(title, description, [Query(*query) for query in queries], unit=unit, soft_min=0, **more), 8, 7
        )
