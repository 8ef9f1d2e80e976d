"""Seats and subscriptions: over all customers, what runs out first."""

import look
import panels
from layout import Board
from look import CRITICAL, INFO, WARNING
from panels import COLORED, GAUGE, Column, Query
from promql import CUSTOMER, SUBSCRIPTION, TENANT, count
from promql import CUSTOMERS as C

UTILIZATION = C.recorded_once(TENANT, "avepoint:tenant_seats_utilization:ratio")
SUBSCRIPTION_UTILIZATION = C.recorded_once(SUBSCRIPTION, "avepoint:subscription_seats_utilization:ratio")
CAPACITY_UTILIZATION = C.recorded_once(SUBSCRIPTION, "avepoint:subscription_capacity_utilization:ratio")
ASSIGNED = C.recorded_once(TENANT, "avepoint:seats_assigned:last")
EXPIRATION = C.once(SUBSCRIPTION, "avepoint_subscription_expiration_timestamp_seconds")
UNDATED = C.recorded_once(SUBSCRIPTION, "avepoint:subscription_undated:last")
# What expired longer ago is history, as for the alert.
SHOWN = f"{EXPIRATION} > time() - 30 * 86400"
AGE = C.recorded_once(f"{CUSTOMER}, collector", "avepoint:collector_age:ratio")
FIRING = C.recorded("ALERTS", 'alertname=~"AvePoint.+", alertstate="firing"')

NOTHING_WRONG = "only what is wrong is listed"
CUSTOMER_COLUMN = Column("customer_name", "Customer", links=look.ROW_TO_CUSTOMER, width=220)
IDS = [
    Column("partner", "Partner", width=120),
    Column("customer_id", "Customer ID", width=300, links=look.ROW_TO_CUSTOMER),
]


def board() -> Board:
    board = Board(
        "avepoint-seats",
        "AvePoint / Seats and subscriptions",
        "Which customers run out of seats, subscriptions or capacity first. Click on a customer for everything about it.",
        start="now-30d",
        refresh="5m",
    )
    board.customers(single=False)
    board.link("Customer", look.TO_CUSTOMER)
    board.link("Exporter", look.TO_EXPORTER)
    _at_a_glance(board)
    _seats(board)
    _subscriptions(board)
    _trend(board)
    _capacity(board)
    _trouble(board)
    return board


def _at_a_glance(board: Board) -> None:
    board.row("At a glance")
    counts = [
        (
            "Customers",
            "Customers known to the exporter, of those selected above.",
            f"count(group by ({CUSTOMER}) ({C.recorded('avepoint:customer_name:info')}))",
            look.PLAIN,
            None,
        ),
        (
            "No seat left",
            "Tenants with assigned seats and none left: the next user is not covered. Where the API gives "
            "no tenants, a customer and tenant type counts as one.",
            count(f"({ASSIGNED} > 0 < Inf) and {C.left()} <= 0", ASSIGNED),
            look.any_is(WARNING),
            "AvePointSeatsExhausted",
        ),
        (
            "Tenants ≥ 90 %",
            "Tenants with at least 90 % of their seats assigned and some left.",
            count(f"{UTILIZATION} >= 0.90 and {C.left()} > 0", UTILIZATION),
            look.any_is(WARNING),
            "AvePointSeatsLow",
        ),
        (
            "Over-assigned",
            "Subscriptions with more Microsoft licences assigned than seats purchased. AvePoint bills by "
            "assigned licences.",
            count(f"{SUBSCRIPTION_UTILIZATION} > 1", SUBSCRIPTION_UTILIZATION),
            look.any_is(CRITICAL),
            "AvePointSubscriptionOverAssigned",
        ),
        (
            "Expire in 30 days",
            "Subscriptions that expire within 30 days.",
            count(f"{EXPIRATION} - time() > 0 <= 30 * 86400", EXPIRATION),
            look.any_is(INFO),
            "AvePointSubscriptionExpiring",
        ),
        (
            "Expired",
            "Subscriptions that expired less than 30 days ago, where no other one of that customer and service "
            "runs on.",
            count(
                f"({EXPIRATION} <= time() > time() - 30 * 86400) unless on ({CUSTOMER}, service_name) "
                f"({EXPIRATION} > time() or {UNDATED})",
                EXPIRATION,
            ),
            look.any_is(CRITICAL),
            "AvePointSubscriptionExpired",
        ),
        (
            "Stale customers",
            "Customers with data of a collector that has not been read for half its max_age.",
            count(f"group by ({CUSTOMER}) ({AGE} > 0.5)", AGE),
            look.any_is(WARNING),
            "AvePointDataStale",
        ),
        (
            "Alerts firing",
            "Alerts about customers that are firing, of the rules that come with the exporter.",
            count(FIRING, C.recorded("avepoint:customer_name:info")),
            look.any_is(WARNING),
            None,
        ),
    ]
    for title, description, expr, steps, alert in counts:
        links = [look.runbook(alert)] if alert else []
        board.add(panels.stat(title, description, [Query(expr)], steps=steps, links=links, decimals=0), 3, 4)


def _seats(board: Board) -> None:
    board.row("What runs out first")
    board.add(
        panels.table(
            "What runs out first",
            "Tenants by the share of their seats that is assigned; from 90 % they raise AvePointSeatsLow, without a seat "
            "left AvePointSeatsExhausted. No utilization: nothing is counted, or there is no limit. A row without a "
            "tenant holds all tenants of a type, where the API gives no more.",
            [
                Query(C.named(ASSIGNED)),
                Query(C.left()),
                Query(UTILIZATION),
                Query(C.tenant_names()),
            ],
            [
                CUSTOMER_COLUMN,
                Column("tenant_name", "Tenant", width=200),
                Column("tenant_type", "Tenant type", width=120),
                Column("A", "Assigned", width=100, mapping=look.UNLIMITED),
                Column("B", "Left", width=100, thresholds=look.SEATS_LEFT, cell=panels.TEXT, mapping=look.UNLIMITED),
                Column("C", "Utilization", unit="percentunit", thresholds=look.UTILIZATION, cell=GAUGE, decimals=1),
                *IDS,
            ],
            sort="Utilization",
            hide=["tenant_id"],
            no_value="no tenants: is the exporter up, and are its recording rules loaded?",
            links=[look.runbook("AvePointSeatsLow"), look.runbook("AvePointSeatsExhausted")],
        ),
        16,
        12,
    )
    board.add(
        panels.bars(
            "Highest utilization",
            "The 15 tenants with the highest share of assigned seats. Click on a bar for the customer.",
            Query(f"sort_desc(topk(15, {C.named(UTILIZATION)}))", "{{customer_name}} · {{tenant_type}}"),
            steps=look.UTILIZATION,
        ),
        8,
        12,
    )


def _subscriptions(board: Board) -> None:
    board.row("Subscriptions")
    alive = f"and on ({CUSTOMER}, subscription_id) ({SHOWN})"
    board.add(
        panels.table(
            "Subscriptions by expiry",
            "What expires next; expired ones for 30 days. Red within 3 days, orange within 14, yellow within 30: the "
            "severities of AvePointSubscriptionExpiring.",
            [
                Query(C.named(f"({SHOWN}) * 1000")),
                Query(f"(({SHOWN}) - time()) / 86400"),
                Query(f"{C.once(SUBSCRIPTION, 'avepoint_subscription_seats_purchased')} {alive}"),
                Query(f"{C.once(SUBSCRIPTION, 'avepoint_subscription_microsoft_licenses_assigned')} {alive}"),
                Query(f"{SUBSCRIPTION_UTILIZATION} {alive}"),
                Query(f"{C.once(SUBSCRIPTION, 'avepoint_subscription_contract_end_timestamp_seconds')} * 1000 {alive}"),
            ],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("A", "Expires", unit="dateTimeAsIso", width=170),
                Column("B", "In days", unit="none", decimals=1, width=90, thresholds=look.DAYS_LEFT, cell=COLORED),
                Column("C", "Seats", width=90, mapping=look.UNLIMITED),
                Column("D", "Assigned", width=90),
                Column(
                    "E",
                    "Utilization",
                    unit="percentunit",
                    decimals=1,
                    width=170,
                    cell=GAUGE,
                    thresholds=look.SUBSCRIPTION_UTILIZATION,
                ),
                Column("F", "Contract ends", unit="dateTimeAsIso", width=170),
                *IDS,
                Column("subscription_id", "Subscription", width=130),
            ],
            sort="In days",
            desc=False,
            no_value="no subscription with an expiration date",
            links=[
                look.runbook("AvePointSubscriptionExpiring"),
                look.runbook("AvePointSubscriptionExpired"),
                look.runbook("AvePointContractEnding"),
            ],
        ),
        24,
        11,
    )
    month = f'count_values("month", year({SHOWN}) * 100 + month({SHOWN}))'
    board.add(
        panels.chart(
            "Expiry by month",
            "How many subscriptions expire in each month (UTC), expired ones of the last 30 days included.",
            Query(f'label_replace({month}, "month", "$1-$2", "month", "(....)(..)")'),
            category="month",
            category_title="Month",
            value_title="Subscriptions",
            steps=[(None, look.OK)],
        ),
        12,
        9,
    )
    board.add(
        panels.bars(
            "Highest use of purchased seats",
            "The 15 subscriptions with the most Microsoft licences assigned for each purchased seat; over 100 % is use "
            "beyond what was bought. Click on a bar for the customer.",
            Query(f"sort_desc(topk(15, {C.named(SUBSCRIPTION_UTILIZATION)}))", "{{customer_name}} · {{service_name}}"),
            steps=look.SUBSCRIPTION_UTILIZATION,
        ),
        12,
        9,
    )


def _trend(board: Board) -> None:
    board.row("Trend and forecast")
    # The same tenants all the time: those that are the fullest at the end of the time range.
    at_the_end = f"max by ({TENANT}) ({C.recorded('avepoint:tenant_seats_utilization:ratio')} @ end())"
    fullest = f"and on ({TENANT}) topk(10, {at_the_end})"
    per_customer = "{{customer_name}} · {{tenant_type}}"
    left = C.recorded("avepoint:seats_left:last")
    board.add(
        panels.lines(
            "Seats assigned",
            "Seats assigned in the 10 tenants (of the customers selected) that are the fullest at the end of the time "
            "range.",
            [Query(f"{C.named(f'({ASSIGNED} {fullest})')}", per_customer)],
            calcs=("firstNotNull", "lastNotNull"),
            steps_after=True,
            link=look.SERIES_TO_CUSTOMER,
        ),
        12,
        10,
    )
    board.add(
        panels.lines(
            "Utilization",
            "Share of assigned seats in the same 10 tenants. Dashed: 90 % and 97 %, where AvePointSeatsLow begins as "
            "warning and as critical.",
            [Query(C.named(f"({UTILIZATION} {fullest})"), per_customer)],
            unit="percentunit",
            steps=look.UTILIZATION,
            calcs=("firstNotNull", "lastNotNull"),
            max=1,
            link=look.SERIES_TO_CUSTOMER,
        ),
        12,
        10,
    )
    fewest = f"and on ({TENANT}) topk(5, {at_the_end})"
    board.add(
        panels.lines(
            "Seats left, and in 14 days",
            "Seats left in the 5 fullest tenants, and what the straight line through the last 7 days gives for 14 days "
            "later. Select customers above to see theirs.",
            [
                Query(C.named(f"({C.left()} {fewest})"), f"{per_customer}: left"),
                Query(
                    C.named(f"(clamp_min(max by ({TENANT}) (predict_linear({left}[7d:1h], 14 * 86400)), 0) {fewest})"),
                    f"{per_customer}: in 14 days",
                    "needs two hourly samples of history",
                ),
            ],
            calcs=("lastNotNull",),
            soft_min=0,
            link=look.SERIES_TO_CUSTOMER,
        ),
        12,
        10,
    )
    # The expression of the alert, but for its 3 days of history: what is too young to alert on is shown here already.
    growing = (
        f"({left} > 0 and predict_linear({left}[7d:1h], 14 * 86400) <= 0 and deriv({left}[3d:1h]) < 0 "
        f"and changes({left}[7d:1h]) >= 2)"
    )
    days = f"({left} / -deriv({left}[7d:1h]) / 86400 and {growing})"
    young = "needs a trend of several hours that leads to 0"
    board.add(
        panels.table(
            "Will run out within 14 days",
            "Tenants that the trend of the last 7 days leaves without seats within 14 days. With 3 days of history they "
            "raise AvePointSeatsForecastExhausted.",
            [
                Query(C.named(f"max by ({TENANT}) {growing}"), may_be_empty=young),
                Query(f"max by ({TENANT}) {days}", may_be_empty=young),
            ],
            [
                CUSTOMER_COLUMN,
                Column("tenant_type", "Tenant type", width=120),
                Column("A", "Left", width=90),
                Column("B", "Days at this rate", decimals=0, width=130, unit="none"),
                *IDS,
            ],
            sort="Days at this rate",
            desc=False,
            hide=["tenant_id"],
            no_value="none",
            links=[look.runbook("AvePointSeatsForecastExhausted")],
        ),
        12,
        10,
    )


def _capacity(board: Board) -> None:
    board.row("Capacity")
    purchased = C.once(SUBSCRIPTION, "avepoint_subscription_capacity_purchased_bytes")
    board.add(
        panels.table(
            "Capacity",
            "Subscriptions sold by capacity. Utilization is the larger of used and protected as a share of what was "
            "purchased; from 90 % it raises AvePointCapacityLow, at 100 % as critical.",
            [
                Query(C.named(purchased)),
                *(
                    Query(
                        f"{C.once(SUBSCRIPTION, metric)} and on ({CUSTOMER}, subscription_id) {purchased}",
                        may_be_empty="a subscription with a capacity need not come with this number",
                    )
                    for metric in (
                        "avepoint_subscription_capacity_used_bytes",
                        "avepoint_subscription_capacity_protected_bytes",
                        "avepoint_subscription_storage_consumed_bytes",
                    )
                ),
                Query(CAPACITY_UTILIZATION),
            ],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("A", "Purchased", unit="bytes", width=110, mapping=look.UNLIMITED),
                Column("B", "Used", unit="bytes", width=110),
                Column("C", "Protected", unit="bytes", width=110),
                Column("D", "Storage consumed", unit="bytes", width=140),
                Column(
                    "E", "Utilization", unit="percentunit", thresholds=look.CAPACITY_UTILIZATION, cell=GAUGE, decimals=1
                ),
                *IDS,
                Column("subscription_id", "Subscription", width=130),
            ],
            sort="Utilization",
            no_value="no subscription with a capacity",
            links=[look.runbook("AvePointCapacityLow")],
        ),
        24,
        9,
    )


def _trouble(board: Board) -> None:
    board.row("Alerts and stale data")
    board.add(
        panels.table(
            "Alerts",
            "What fires about the customers selected. Click on an alert for its runbook.",
            [
                Query(
                    f"group by (alertname, severity, partner, customer_id, customer_name, tenant_type, service_name) ({FIRING})",
                    may_be_empty=NOTHING_WRONG,
                )
            ],
            [
                Column("alertname", "Alert", links=look.ROW_TO_RUNBOOK, width=260),
                Column("severity", "Severity", width=90),
                CUSTOMER_COLUMN,
                Column("tenant_type", "Tenant type", width=110),
                Column("service_name", "Service"),
                *IDS,
            ],
            sort="Severity",
            desc=False,
            no_value="none",
        ),
        14,
        9,
    )
    stale = f"({AGE} > 0.5)"
    board.add(
        panels.table(
            "Stale data",
            "Data that has not been read for half its max_age; at 100 % it is no longer served. AvePointDataStale.",
            [
                Query(C.named(stale), may_be_empty=NOTHING_WRONG),
            ],
            [
                CUSTOMER_COLUMN,
                Column("collector", "Collector", width=150),
                Column("A", "Share of max_age", unit="percentunit", thresholds=look.AGE, cell=COLORED, decimals=0),
                *IDS,
            ],
            sort="Share of max_age",
            no_value="none",
            links=[look.runbook("AvePointDataStale")],
        ),
        10,
        9,
    )
