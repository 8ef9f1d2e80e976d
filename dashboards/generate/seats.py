"""Seats and subscriptions: over all customers, what runs out first."""

import backups
import look
import panels
from layout import Board
from look import CRITICAL, INFO, WARNING
from panels import COLORED, GAUGE, Column, Query
from promql import CUSTOMER, SERVICE, SUBSCRIPTION, TENANT, count
from promql import CUSTOMERS as C

UTILIZATION = C.recorded_once(SERVICE, "avepoint:seats_utilization:ratio")
HEADROOM = C.recorded_once(SERVICE, "avepoint:seats_headroom")
PURCHASED = C.recorded_once(SERVICE, "avepoint:seats_purchased:sum")
ASSIGNED = C.recorded_once(SERVICE, "avepoint:seats_assigned:max")
TENANT_ASSIGNED = C.recorded_once(TENANT, "avepoint:tenant_seats_assigned:last")
TENANT_AVAILABLE = C.recorded_once(TENANT, "avepoint:tenant_seats_available:last")
TENANT_UTILIZATION = C.recorded_once(TENANT, "avepoint:tenant_seats_utilization:ratio")
CAPACITY_UTILIZATION = C.recorded_once(SERVICE, "avepoint:capacity_utilization:ratio")
EXPIRATION = C.last("expiration_timestamp_seconds")
UNUSED = C.recorded_once(SERVICE, "avepoint:band:seats_unused")
# What runs on, and what has expired and was not replaced, however long ago.
SHOWN = f"({EXPIRATION} > time() or {C.expired()})"
AGE = C.recorded_once(f"{CUSTOMER}, collector", "avepoint:collector_age:ratio")
FIRING = C.recorded("ALERTS", 'alertname=~"AvePoint.+", alertstate="firing"')

NOTHING_WRONG = "only what is wrong is listed"
NOT_GIVEN = "a service with a capacity need not come with this number"
YOUNG = "needs three days of history, and a headroom that gets smaller"
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
    backups.all_customers(board, C, CUSTOMER_COLUMN, IDS)
    _trouble(board)
    return board


def _at_a_glance(board: Board) -> None:
    board.row("At a glance")
    counts = [
        (
            "Customers",
            "Customers known to the exporter, of those selected above.",
            f"count(group by ({CUSTOMER}) ({C.recorded('avepoint:customer:info')}))",
            look.PLAIN,
            None,
        ),
        (
            "No seat left",
            "Services of customers for which as many licences are assigned as seats were purchased, or more.",
            count(f"{HEADROOM} <= 0", HEADROOM),
            look.any_is(WARNING),
            "AvePointSeatsExhausted",
        ),
        (
            "Services ≥ 90 %",
            "Services of customers with at least 90 % of their seats assigned and some left.",
            count(f"{UTILIZATION} >= 0.90 and {HEADROOM} > 0", HEADROOM),
            look.any_is(WARNING),
            "AvePointSeatsLow",
        ),
        (
            "Over-assigned",
            "Services of customers for which more licences are assigned than seats were purchased. AvePoint bills by "
            "assigned licences.",
            count(f"{HEADROOM} < 0", HEADROOM),
            look.any_is(CRITICAL),
            "AvePointSeatsOverAssigned",
        ),
        (
            "Expire in 30 days",
            "Rows that expire within 30 days and that no other row of the service carries.",
            count(f"{C.recorded_once(SUBSCRIPTION, 'avepoint:band:subscription_expiring')} > 0", EXPIRATION),
            look.any_is(INFO),
            "AvePointSubscriptionExpiring",
        ),
        (
            "Expired",
            "Services of customers that have expired, where no row runs on; however long ago. Their alert ends after 30 days.",
            count(f"group by ({SERVICE}) ({C.expired()})", EXPIRATION),
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
            count(FIRING, C.recorded("avepoint:customer:info")),
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
            "Services of customers by their headroom: seats purchased (of all rows that run) minus licences assigned. From "
            "90 % they raise AvePointSeatsLow, without headroom AvePointSeatsExhausted, below 0 AvePointSeatsOverAssigned.",
            [Query(C.named(f"{ASSIGNED} and on ({SERVICE}) {HEADROOM}")), Query(PURCHASED), Query(HEADROOM), Query(UTILIZATION)],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("B", "Purchased", width=100),
                Column("A", "Assigned", width=100),
                Column("C", "Headroom", width=100, thresholds=look.HEADROOM, cell=panels.TEXT),
                Column("D", "Utilization", unit="percentunit", thresholds=look.UTILIZATION, cell=GAUGE, decimals=1),
                *IDS,
            ],
            sort="Utilization",
            no_value="no seats: is the exporter up, and are its recording rules loaded?",
            links=[
                look.runbook("AvePointSeatsLow"),
                look.runbook("AvePointSeatsExhausted"),
                look.runbook("AvePointSeatsOverAssigned"),
            ],
        ),
        16,
        12,
    )
    board.add(
        panels.bars(
            "Highest utilization",
            "The 15 services of customers with the most licences assigned for each purchased seat; over 100 % is use beyond "
            "what was bought. Click on a bar for the customer.",
            Query(f"sort_desc(topk(15, {C.named(UTILIZATION)}))", "{{customer_name}} · {{service_name}}"),
            steps=look.UTILIZATION,
        ),
        8,
        12,
    )
    dates = C.recorded_once(SERVICE, "avepoint:subscription_expiration_timestamp_seconds:last").replace("max by", "min by")
    unused = f"and on ({SERVICE}) {UNUSED}"
    board.add(
        panels.table(
            "Bought and unused before renewal",
            "Services with less than 70 % of the seats assigned, at least 5 unused, and a row that expires or whose contract "
            "ends within 45 days: AvePointSeatsUnused. Seats that nobody uses need not be bought again.",
            [
                Query(C.named(f"({HEADROOM} {unused})"), may_be_empty=NOTHING_WRONG),
                Query(f"{PURCHASED} {unused}", may_be_empty=NOTHING_WRONG),
                Query(f"{ASSIGNED} {unused}", may_be_empty=NOTHING_WRONG),
                Query(f"({dates} > time()) * 1000 {unused}", may_be_empty=NOTHING_WRONG),
            ],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("A", "Unused", width=90),
                Column("B", "Purchased", width=100),
                Column("C", "Assigned", width=100),
                Column("D", "Next expiry", unit="dateTimeAsIso", width=170),
                *IDS,
            ],
            sort="Unused",
            no_value="none",
            links=[look.runbook("AvePointSeatsUnused")],
        ),
        12,
        9,
    )
    board.add(
        panels.table(
            "Tenants",
            "Licences of the third party (Microsoft, Google, Salesforce, Dynamics 365) in each tenant: assigned, and what the "
            "API calls available. That is most likely what the customer owns and has not assigned; it is no seat of AvePoint.",
            [Query(C.named(TENANT_ASSIGNED)), Query(TENANT_AVAILABLE), Query(TENANT_UTILIZATION), Query(C.tenant_names())],
            [
                CUSTOMER_COLUMN,
                Column("tenant_name", "Tenant", width=200),
                Column("tenant_type", "Tenant type", width=120),
                Column("A", "Licences assigned", width=140),
                Column("B", "Licences unassigned", width=150, mapping=look.UNLIMITED),
                Column("C", "Utilization", unit="percentunit", thresholds=look.TENANT_UTILIZATION, cell=GAUGE, decimals=1),
                *IDS,
            ],
            sort="Utilization",
            hide=["tenant_id"],
            no_value="no tenants",
            links=[look.runbook("AvePointTenantSeatsLow"), look.runbook("AvePointTenantSeatsExhausted")],
        ),
        12,
        9,
    )


def _subscriptions(board: Board) -> None:
    board.row("Subscriptions")
    alive = f"and on ({SUBSCRIPTION}) {SHOWN}"
    board.add(
        panels.table(
            "Subscriptions by expiry",
            "What expires next; and what has expired and was not replaced, however long ago. Red within 3 days, orange within "
            "14, yellow within 30: the severities of AvePointSubscriptionExpiring.",
            [
                Query(C.named(f"{SHOWN} * 1000")),
                Query(f"({SHOWN} - time()) / 86400"),
                Query(f"{C.last('seats_purchased')} {alive}"),
                Query(f"{C.last('microsoft_licenses_assigned')} {alive}"),
                Query(f"{C.last('contract_end_timestamp_seconds')} * 1000 {alive}", may_be_empty="a contract need not have an end"),
            ],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("A", "Expires", unit="dateTimeAsIso", width=170),
                Column("B", "In days", unit="none", decimals=1, width=90, thresholds=look.DAYS_LEFT, cell=COLORED),
                Column("C", "Seats", width=90, mapping=look.UNLIMITED),
                Column("D", "Assigned", width=90),
                Column("E", "Contract ends", unit="dateTimeAsIso", width=170),
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
            "How many rows expire in each month (UTC); those that have expired and were not replaced are included.",
            Query(f'label_replace({month}, "month", "$1-$2", "month", "(....)(..)")'),
            category="month",
            category_title="Month",
            value_title="Subscriptions",
            steps=[(None, look.OK)],
        ),
        24,
        8,
    )


def _trend(board: Board) -> None:
    board.row("Trend and forecast")
    # The same services all the time: those that are the fullest at the end of the time range.
    at_the_end = f"max by ({SERVICE}) ({C.recorded('avepoint:seats_utilization:ratio')} @ end())"
    fullest = f"and on ({SERVICE}) topk(10, {at_the_end})"
    legend = "{{customer_name}} · {{service_name}}"
    board.add(
        panels.lines(
            "Licences assigned",
            "Licences assigned, for the 10 services (of the customers selected) that are the fullest at the end of the time "
            "range.",
            [Query(C.named(f"({ASSIGNED} {fullest})"), legend)],
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
            "Licences assigned for each purchased seat, of the same 10 services. Dashed: 90 %, where AvePointSeatsLow begins, "
            "and 110 %, beyond which AvePointSeatsOverAssigned is critical.",
            [Query(C.named(f"({UTILIZATION} {fullest})"), legend)],
            unit="percentunit",
            steps=look.UTILIZATION,
            calcs=("firstNotNull", "lastNotNull"),
            link=look.SERIES_TO_CUSTOMER,
        ),
        12,
        10,
    )
    fewest = f"and on ({SERVICE}) topk(5, {at_the_end})"
    trend = C.recorded_once(SERVICE, "avepoint:seats_used_per_day:trend")
    board.add(
        panels.lines(
            "Headroom, and in 14 days",
            "Headroom of the 5 fullest services, and what the pace of the last 7 days leaves of it in 14 days. Select customers "
            "above to see theirs.",
            [
                Query(C.named(f"({HEADROOM} {fewest})"), f"{legend}: headroom"),
                Query(C.named(f"({HEADROOM} - 14 * {trend} {fewest})"), f"{legend}: in 14 days", YOUNG),
            ],
            calcs=("lastNotNull",),
            soft_min=0,
            link=look.SERIES_TO_CUSTOMER,
        ),
        12,
        10,
    )
    days = C.recorded_once(SERVICE, "avepoint:seats_forecast:days")
    soon = f"({days} > 0 <= 18)"
    board.add(
        panels.table(
            "Will run out within 18 days",
            "Services whose seats last for at most 18 days at the pace of the last 7. After two drops within 14 days they raise "
            "AvePointSeatsForecastExhausted, from 14 days on.",
            [Query(C.named(f"({HEADROOM} and on ({SERVICE}) {soon})"), may_be_empty=YOUNG), Query(soon, may_be_empty=YOUNG)],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("A", "Headroom", width=100),
                Column("B", "Days at this pace", decimals=0, width=130, unit="none"),
                *IDS,
            ],
            sort="Days at this pace",
            desc=False,
            no_value="none",
            links=[look.runbook("AvePointSeatsForecastExhausted")],
        ),
        12,
        10,
    )


def _capacity(board: Board) -> None:
    board.row("Capacity")
    board.add(
        panels.table(
            "Capacity",
            "Services sold by capacity, or by capacity for each seat, summed over the rows that run. What is held against it is the "
            "protected capacity; where nothing is protected, the used one. From 90 % they raise AvePointCapacityLow, at 100 % as critical.",
            [
                Query(C.named(C.recorded_once(SERVICE, "avepoint:capacity_purchased_bytes:sum"))),
                Query(C.recorded_once(SERVICE, "avepoint:capacity_protected_bytes:sum"), may_be_empty=NOT_GIVEN),
                Query(CAPACITY_UTILIZATION, may_be_empty=NOT_GIVEN),
            ],
            [
                CUSTOMER_COLUMN,
                Column("service_name", "Service", width=280),
                Column("A", "Capacity", unit="bytes", width=110, mapping=look.UNLIMITED),
                Column("B", "Protected or used", unit="bytes", width=140),
                Column(
                    "C", "Utilization", unit="percentunit", thresholds=look.CAPACITY_UTILIZATION, cell=GAUGE, decimals=1
                ),
                *IDS,
            ],
            sort="Utilization",
            no_value="no service with a capacity",
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
                    C.named(f"group by (alertname, severity, partner, customer_id, tenant_type, service_name) ({FIRING})"),
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
