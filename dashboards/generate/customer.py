"""Customer: everything about one customer."""

import backups
import look
import panels
from layout import Board
from look import WARNING
from panels import COLORED, GAUGE, Column, Query
from promql import CUSTOMER, SERVICE, SUBSCRIPTION, TENANT, count
from promql import ONE_CUSTOMER as C

PURCHASED = C.recorded_once(SERVICE, "avepoint:seats_purchased:sum")
ASSIGNED = C.recorded_once(SERVICE, "avepoint:seats_assigned:max")
HEADROOM = C.recorded_once(SERVICE, "avepoint:seats_headroom")
UTILIZATION = C.recorded_once(SERVICE, "avepoint:seats_utilization:ratio")
TREND = C.recorded_once(SERVICE, "avepoint:seats_used_per_day:trend")
TENANT_ASSIGNED = C.recorded_once(TENANT, "avepoint:tenant_seats_assigned:last")
TENANT_AVAILABLE = C.recorded_once(TENANT, "avepoint:tenant_seats_available:last")
TENANT_UTILIZATION = C.recorded_once(TENANT, "avepoint:tenant_seats_utilization:ratio")
CAPACITY_UTILIZATION = C.recorded_once(SERVICE, "avepoint:capacity_utilization:ratio")
LAST_SUCCESS = "avepoint_collector_last_success_timestamp_seconds"
EXPIRATION = C.last("expiration_timestamp_seconds")
CONTRACT_END = C.last("contract_end_timestamp_seconds")

NOT_HELD = "a customer need not have any subscription or product of this kind"
NO_TENANT = "the API need not give a customer's tenants"
YOUNG = "needs three days of history"


def board() -> Board:
    board = Board(
        "avepoint-customer",
        "AvePoint / Customer",
        "Everything that the exporter knows about one customer.",
        start="now-30d",
        refresh="5m",
    )
    board.customers(single=True)
    board.link("Seats and subscriptions", look.TO_SEATS)
    board.link("Exporter", look.TO_EXPORTER)
    _at_a_glance(board)
    _seats(board)
    _subscriptions(board)
    _capacity(board)
    _products(board)
    backups.one_customer(board, C)
    _freshness(board)
    return board


def _at_a_glance(board: Board) -> None:
    board.row("At a glance")
    firing = C.recorded("ALERTS", 'alertname=~"AvePoint.+", alertstate="firing"')
    dates = {"unit": "dateTimeFromNow"}
    for title, description, expr, more in [
        (
            "Least headroom",
            "Of all services: seats purchased minus licences assigned, where it is the least.",
            f"min({HEADROOM})",
            {"steps": look.HEADROOM, "no_value": "no seats", "links": [look.runbook("AvePointSeatsExhausted")]},
        ),
        (
            "Fullest service",
            "The highest share of licences assigned for purchased seats among the services.",
            f"max({UTILIZATION})",
            {
                "unit": "percentunit",
                "steps": look.UTILIZATION,
                "decimals": 1,
                "no_value": "no seats",
                "links": [look.runbook("AvePointSeatsLow")],
            },
        ),
        (
            "Expired",
            "Rows that have expired and that nothing replaced, however long ago.",
            count(C.expired(), C.recorded("avepoint:customer:info")),
            {"steps": look.any_is(look.CRITICAL), "links": [look.runbook("AvePointSubscriptionExpired")]},
        ),
        (
            "Subscriptions",
            "Rows of the customer's service list.",
            f"count(group by ({SUBSCRIPTION}) ({C.recorded('avepoint:subscription_info:last')}))",
            {},
        ),
        (
            "Next expiry",
            "When the next subscription expires.",
            f"min({EXPIRATION} > time()) * 1000",
            dates | {"no_value": "none", "links": [look.runbook("AvePointSubscriptionExpiring")]},
        ),
        (
            "Next contract end",
            "When the next contract ends.",
            f"min({CONTRACT_END} > time()) * 1000",
            dates | {"no_value": "none", "links": [look.runbook("AvePointContractEnding")]},
        ),
        (
            "Oldest data",
            "When the collector that is furthest behind was last read for this customer.",
            f"min({C.once(f'{CUSTOMER}, collector', LAST_SUCCESS)}) * 1000",
            dates | {"links": [look.runbook("AvePointDataStale")]},
        ),
        (
            "Alerts firing",
            "Alerts about this customer that are firing, of the rules that come with the exporter.",
            count(firing, C.recorded("avepoint:customer:info")),
            {"steps": look.any_is(WARNING)},
        ),
    ]:
        empty = NOT_HELD if title in ("Next expiry", "Next contract end", "Least headroom", "Fullest service") else ""
        board.add(panels.stat(title, description, [Query(expr, may_be_empty=empty)], **more), 3, 4)


def _seats(board: Board) -> None:
    board.row("Seats")
    board.add(
        panels.table(
            "Services",
            "Every service with seats: purchased (of all rows that run), licences assigned, and headroom, the one minus the other. "
            "No headroom where seats are without limit or not what the model counts.",
            [Query(PURCHASED, may_be_empty=NOT_HELD), *(Query(e, may_be_empty=NOT_HELD) for e in (ASSIGNED, HEADROOM, UTILIZATION))],
            [
                Column("service_name", "Service", width=280),
                Column("A", "Purchased", width=100, mapping=look.UNLIMITED),
                Column("B", "Assigned", width=100),
                Column("C", "Headroom", width=100, thresholds=look.HEADROOM, cell=panels.TEXT),
                Column("D", "Utilization", unit="percentunit", thresholds=look.UTILIZATION, cell=GAUGE, decimals=1),
            ],
            sort="Utilization",
            hide=["partner", "customer_id"],
            no_value="no seats",
            links=[
                look.runbook("AvePointSeatsLow"),
                look.runbook("AvePointSeatsExhausted"),
                look.runbook("AvePointSeatsOverAssigned"),
                look.runbook("AvePointSeatsUnused"),
            ],
        ),
        14,
        8,
    )
    board.add(
        panels.lines(
            "Utilization",
            "Licences assigned for each purchased seat. Dashed: 90 %, where AvePointSeatsLow begins, and 110 %, beyond which "
            "AvePointSeatsOverAssigned is critical.",
            [Query(UTILIZATION, "{{service_name}}", NOT_HELD)],
            unit="percentunit",
            steps=look.UTILIZATION,
            soft_min=0,
            no_value="no seats",
        ),
        10,
        8,
    )
    board.add(
        panels.lines(
            "Seats purchased and licences assigned",
            "Of every service over time, as last known; without those that have no limit.",
            [
                Query(f"{PURCHASED} < Inf", "{{service_name}}: purchased", NOT_HELD),
                Query(f"{ASSIGNED} < Inf", "{{service_name}}: assigned", NOT_HELD),
            ],
            calcs=("firstNotNull", "lastNotNull"),
            steps_after=True,
            soft_min=0,
            no_value="no seats",
        ),
        8,
        9,
    )
    board.add(
        panels.lines(
            "Headroom, and in 14 days",
            "Headroom, and what the pace of the last 7 days leaves of it in 14 days.",
            [
                Query(HEADROOM, "{{service_name}}: headroom", NOT_HELD),
                Query(f"{HEADROOM} - 14 * {TREND}", "{{service_name}}: in 14 days", YOUNG),
            ],
            calcs=("lastNotNull",),
            soft_min=0,
            no_value="no seats",
            links=[look.runbook("AvePointSeatsForecastExhausted")],
        ),
        8,
        9,
    )
    day_before = f"max by ({SERVICE}) ({C.recorded('avepoint:seats_assigned:max')} offset 1d)"
    board.add(
        panels.lines(
            "Change of assigned licences in 24 hours",
            "Licences assigned compared with a day before.",
            [Query(f"{ASSIGNED} - {day_before}", "{{service_name}}", "needs samples from an earlier time")],
            steps_after=True,
            no_value="no data from a day before",
        ),
        8,
        9,
    )
    board.add(
        panels.table(
            "Tenants",
            "Licences of the third party (Microsoft, Google, Salesforce, Dynamics 365) in each tenant: assigned, and what the API "
            "calls available. That is most likely what the customer owns and has not assigned; it is no seat of AvePoint.",
            [
                Query(TENANT_ASSIGNED, may_be_empty=NO_TENANT),
                Query(TENANT_AVAILABLE, may_be_empty=NO_TENANT),
                Query(TENANT_UTILIZATION, may_be_empty=NO_TENANT),
                Query(C.tenant_names(), may_be_empty=NO_TENANT),
            ],
            [
                Column("tenant_name", "Tenant", width=220),
                Column("tenant_type", "Tenant type", width=120),
                Column("A", "Licences assigned", width=140),
                Column("B", "Licences unassigned", width=150, mapping=look.UNLIMITED),
                Column("C", "Utilization", unit="percentunit", thresholds=look.TENANT_UTILIZATION, cell=GAUGE, decimals=1),
                Column("tenant_id", "Tenant ID", width=300),
            ],
            sort="Utilization",
            hide=["partner", "customer_id"],
            no_value="no tenants",
            links=[look.runbook("AvePointTenantSeatsLow"), look.runbook("AvePointTenantSeatsExhausted")],
        ),
        24,
        7,
    )


def _subscriptions(board: Board) -> None:
    board.row("Subscriptions")
    labels = "subscription_model, storage, retention, source, payment_type, subscription_name, package"
    board.add(
        panels.table(
            "All subscriptions",
            "Every row of the service list with all that the API says about it; what does not apply is empty. Days are "
            "red within 3 days of the end, orange within 14, yellow within 30.",
            [
                Query(f"group by ({SUBSCRIPTION}, {labels}) ({C.recorded('avepoint:subscription_info:last')})"),
                Query(f"{EXPIRATION} * 1000", may_be_empty=NOT_HELD),
                Query(f"({EXPIRATION} - time()) / 86400", may_be_empty=NOT_HELD),
                *(Query(C.last(metric), may_be_empty=NOT_HELD) for metric in ("seats_purchased", "microsoft_licenses_assigned")),
                *(
                    Query(C.once(SUBSCRIPTION, f"avepoint_subscription_{metric}"), may_be_empty=NOT_HELD)
                    for metric in ("microsoft_licenses_available", "units_purchased", "seats_change")
                ),
                Query(f"{CONTRACT_END} * 1000", may_be_empty=NOT_HELD),
            ],
            [
                Column("service_name", "Service", width=280),
                Column("package", "Package", width=90),
                Column("subscription_model", "Model", width=130),
                Column("B", "Expires", unit="dateTimeAsIso", width=170),
                Column("C", "In days", unit="none", decimals=1, width=90, thresholds=look.DAYS_LEFT, cell=COLORED),
                Column("D", "Seats", width=80, mapping=look.UNLIMITED),
                Column("E", "Assigned", width=90),
                Column("F", "Microsoft licences unassigned", width=210),
                Column("G", "Units", width=80, mapping=look.UNLIMITED),
                Column("H", "Change this month", width=150),
                Column("I", "Contract ends", unit="dateTimeAsIso", width=170),
                Column("payment_type", "Payment", width=110),
                Column("source", "Source", width=200),
                Column("storage", "Storage", width=240),
                Column("retention", "Retention", width=190),
                Column("subscription_name", "Name", width=120),
                Column("subscription_id", "Subscription", width=130),
            ],
            sort="In days",
            desc=False,
            hide=["partner", "customer_id"],
            no_value="no subscriptions",
            links=[
                look.runbook("AvePointSubscriptionExpiring"),
                look.runbook("AvePointSubscriptionExpired"),
                look.runbook("AvePointContractEnding"),
            ],
        ),
        24,
        9,
    )
    legend = "{{service_name}} ({{subscription_id}})"
    board.add(
        panels.lines(
            "Changes of this month",
            "Seats added or removed in the pooled licence since the first day of the month, as the API counts them.",
            [Query(C.once(SUBSCRIPTION, "avepoint_subscription_seats_change"), legend, NOT_HELD)],
            calcs=("lastNotNull",),
            steps_after=True,
            no_value="no pooled licence",
        ),
        24,
        7,
    )


def _capacity(board: Board) -> None:
    board.row("Capacity")
    capacity = C.recorded_once(SERVICE, "avepoint:capacity_purchased_bytes:sum")
    held = C.recorded_once(SERVICE, "avepoint:capacity_protected_bytes:sum")
    consumed = f"sum by ({SERVICE}) ({C.once(SUBSCRIPTION, 'avepoint_subscription_storage_consumed_bytes')})"
    board.add(
        panels.table(
            "Capacity",
            "Services sold by capacity, or by capacity for each seat, summed over the rows that run. What is held against it is the "
            "protected capacity; where nothing is protected, the used one. From 90 % they raise AvePointCapacityLow, at 100 % as critical.",
            [Query(expr, may_be_empty=NOT_HELD) for expr in (capacity, held, consumed, CAPACITY_UTILIZATION)],
            [
                Column("service_name", "Service", width=280),
                Column("A", "Capacity", unit="bytes", width=110, mapping=look.UNLIMITED),
                Column("B", "Protected or used", unit="bytes", width=140),
                Column("C", "Storage consumed", unit="bytes", width=140),
                Column(
                    "D", "Utilization", unit="percentunit", thresholds=look.CAPACITY_UTILIZATION, cell=GAUGE, decimals=1
                ),
            ],
            sort="Utilization",
            hide=["partner", "customer_id"],
            no_value="no service with a capacity",
            links=[look.runbook("AvePointCapacityLow")],
        ),
        14,
        8,
    )
    board.add(
        panels.lines(
            "Capacity over time",
            "Protected or used capacity, and storage consumed, of every service that has them.",
            [
                Query(expr, f"{{{{service_name}}}}: {name}", NOT_HELD)
                for expr, name in ((held, "protected or used"), (consumed, "storage"))
            ],
            unit="bytes",
            soft_min=0,
            no_value="no service with a capacity",
        ),
        10,
        8,
    )


def _products(board: Board) -> None:
    board.row("Products")
    product = f"{CUSTOMER}, product_type, product"
    purchased = C.once(product, "avepoint_product_seats_purchased")
    board.add(
        panels.table(
            "Products",
            "Seats purchased of every product that the customer holds (units where it is sold by unit), and the number that "
            "the API calls available, which is not comparable with assigned seats.",
            [Query(purchased), Query(C.once(product, "avepoint_product_seats_available"), may_be_empty=NOT_HELD)],
            [
                Column("product", "Product"),
                Column("A", "Purchased", width=120, mapping=look.UNLIMITED),
                Column("B", "Called available", width=130, mapping=look.UNLIMITED),
                Column("product_type", "Type", width=120),
            ],
            sort="Purchased",
            hide=["partner", "customer_id"],
            no_value="no products",
        ),
        12,
        8,
    )
    board.add(
        panels.lines(
            "Seats purchased",
            "Seats purchased of every product over time.",
            [Query(f"{purchased} < Inf", "{{product}}")],
            calcs=("firstNotNull", "lastNotNull"),
            steps_after=True,
            soft_min=0,
        ),
        12,
        8,
    )


def _freshness(board: Board) -> None:
    board.row("Freshness and alerts")
    collector = f"{CUSTOMER}, collector"
    last = C.once(collector, LAST_SUCCESS)
    age = C.recorded_once(collector, "avepoint:collector_age:ratio")
    board.add(
        panels.table(
            "Collectors",
            "When each collector's data of this customer was last read, and its age as a share of max_age: from 50 % it "
            "raises AvePointDataStale, at 100 % it is no longer served.",
            [Query(f"{last} * 1000"), Query(f"time() - {last}"), Query(age)],
            [
                Column("collector", "Collector"),
                Column("A", "Last read", unit="dateTimeAsIso", width=180),
                Column("B", "Age", unit="dtdurations", decimals=0, width=160),
                Column("C", "Share of max_age", unit="percentunit", thresholds=look.AGE, cell=GAUGE, decimals=0),
            ],
            sort="Share of max_age",
            hide=["partner", "customer_id"],
            links=[look.runbook("AvePointDataStale")],
        ),
        8,
        8,
    )
    board.add(
        panels.lines(
            "Age of the data",
            "Time since each collector's data of this customer was last read. It rises to the interval and falls back.",
            [Query(f"time() - {last}", "{{collector}}")],
            unit="s",
            soft_min=0,
        ),
        8,
        8,
    )
    firing = C.recorded("ALERTS", 'alertname=~"AvePoint.+", alertstate="firing"')
    board.add(
        panels.table(
            "Alerts",
            "What fires about this customer. Click on an alert for its runbook.",
            [
                Query(
                    f"group by (alertname, severity, tenant_type, tenant_id, service_name, subscription_id, collector) ({firing})",
                    may_be_empty="only what is wrong is listed",
                )
            ],
            [
                Column("alertname", "Alert", links=look.ROW_TO_RUNBOOK, width=250),
                Column("severity", "Severity", width=90),
                Column("tenant_type", "Tenant type", width=110),
                Column("service_name", "Service", width=200),
                Column("collector", "Collector", width=130),
                Column("tenant_id", "Tenant ID", width=200),
                Column("subscription_id", "Subscription", width=130),
            ],
            sort="Severity",
            desc=False,
            no_value="none",
        ),
        8,
        8,
    )
