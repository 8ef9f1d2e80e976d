"""Customer: everything about one customer."""

import look
import panels
from layout import Board
from look import WARNING
from panels import COLORED, GAUGE, Column, Query
from promql import CUSTOMER, SUBSCRIPTION, TENANT, count
from promql import ONE_CUSTOMER as C

ASSIGNED = C.recorded_once(TENANT, "avepoint:seats_assigned:last")
UTILIZATION = C.recorded_once(TENANT, "avepoint:tenant_seats_utilization:ratio")
SUBSCRIPTION_UTILIZATION = C.recorded_once(SUBSCRIPTION, "avepoint:subscription_seats_utilization:ratio")
CAPACITY_UTILIZATION = C.recorded_once(SUBSCRIPTION, "avepoint:subscription_capacity_utilization:ratio")
LAST_SUCCESS = "avepoint_collector_last_success_timestamp_seconds"
EXPIRATION = C.once(SUBSCRIPTION, "avepoint_subscription_expiration_timestamp_seconds")
CONTRACT_END = C.once(SUBSCRIPTION, "avepoint_subscription_contract_end_timestamp_seconds")

NOT_HELD = "a customer need not have any subscription or product of this kind"
NO_TENANT = "the API may give a customer's seats only by tenant type"
YOUNG = "needs samples from an earlier time"
TENANT_LEGEND = "{{tenant_type}} {{tenant_id}}"


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
    _tenants(board)
    _subscriptions(board)
    _capacity(board)
    _products(board)
    _freshness(board)
    return board


def _at_a_glance(board: Board) -> None:
    board.row("At a glance")
    firing = C.recorded("ALERTS", 'alertname=~"AvePoint.+", alertstate="firing"')
    dates = {"unit": "dateTimeFromNow"}
    for title, description, expr, more in [
        ("Seats assigned", "Seats assigned in all tenants of this customer.", f"sum({ASSIGNED})", {}),
        (
            "Seats left",
            "Seats left in all tenants of this customer; unlimited if one of them is.",
            f"sum({C.left()})",
            {"steps": look.SEATS_LEFT, "mapping": look.UNLIMITED, "links": [look.runbook("AvePointSeatsExhausted")]},
        ),
        (
            "Fullest tenant",
            "The highest share of assigned seats among the tenants.",
            f"max({UTILIZATION})",
            {
                "unit": "percentunit",
                "steps": look.UTILIZATION,
                "decimals": 1,
                "no_value": "nothing counted",
                "links": [look.runbook("AvePointSeatsLow")],
            },
        ),
        (
            "Subscriptions",
            "Rows of the customer's service list.",
            f"count(group by ({SUBSCRIPTION}) ({C.raw('avepoint_subscription_info')}))",
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
            count(firing, C.recorded("avepoint:customer_name:info")),
            {"steps": look.any_is(WARNING)},
        ),
    ]:
        empty = "a customer need not have an end date ahead" if title.startswith("Next") else ""
        board.add(panels.stat(title, description, [Query(expr, may_be_empty=empty)], **more), 3, 4)


def _tenants(board: Board) -> None:
    board.row("Tenants and seats")
    board.add(
        panels.table(
            "Tenants",
            "Seats of every tenant. A row without a tenant holds all tenants of a type, where the API gives no more. No "
            "utilization: nothing is counted, or there is no limit.",
            [Query(ASSIGNED), Query(C.left()), Query(UTILIZATION), Query(C.tenant_names(), may_be_empty=NO_TENANT)],
            [
                Column("tenant_name", "Tenant", width=220),
                Column("tenant_type", "Tenant type", width=120),
                Column("A", "Assigned", width=100, mapping=look.UNLIMITED),
                Column("B", "Left", width=100, thresholds=look.SEATS_LEFT, cell=panels.TEXT, mapping=look.UNLIMITED),
                Column("C", "Utilization", unit="percentunit", thresholds=look.UTILIZATION, cell=GAUGE, decimals=1),
                Column("tenant_id", "Tenant ID", width=300),
            ],
            sort="Utilization",
            hide=["partner", "customer_id"],
            no_value="no tenants",
            links=[look.runbook("AvePointSeatsLow"), look.runbook("AvePointSeatsExhausted")],
        ),
        14,
        8,
    )
    board.add(
        panels.lines(
            "Utilization",
            "Share of seats that is assigned. Dashed: 90 % and 97 %, where AvePointSeatsLow begins as warning and as "
            "critical.",
            [Query(UTILIZATION, TENANT_LEGEND)],
            unit="percentunit",
            steps=look.UTILIZATION,
            soft_min=0,
            max=1,
        ),
        10,
        8,
    )
    left = C.recorded("avepoint:seats_left:last")
    board.add(
        panels.lines(
            "Seats assigned and left",
            "Seats of every tenant over time, as last known; without those that have no limit.",
            [
                Query(f"{ASSIGNED} < Inf", f"{TENANT_LEGEND}: assigned"),
                Query(f"{C.left()} < Inf", f"{TENANT_LEGEND}: left"),
            ],
            calcs=("firstNotNull", "lastNotNull"),
            steps_after=True,
            soft_min=0,
        ),
        8,
        9,
    )
    board.add(
        panels.lines(
            "Seats left, and in 14 days",
            "Seats left, and what the straight line through the last 7 days gives for 14 days later; without tenants that "
            "have no limit.",
            [
                Query(f"{C.left()} < Inf", f"{TENANT_LEGEND}: left"),
                Query(
                    f"clamp_min(max by ({TENANT}) (predict_linear({left}[7d:1h], 14 * 86400)), 0) < Inf",
                    f"{TENANT_LEGEND}: in 14 days",
                    YOUNG,
                ),
            ],
            calcs=("lastNotNull",),
            soft_min=0,
            links=[look.runbook("AvePointSeatsForecastExhausted")],
        ),
        8,
        9,
    )
    day_before = f"max by ({TENANT}) ({C.recorded('avepoint:seats_assigned:last')} offset 1d)"
    board.add(
        panels.lines(
            "Change of assigned seats in 24 hours",
            "Seats assigned compared with a day before.",
            [Query(f"{ASSIGNED} - {day_before}", TENANT_LEGEND, YOUNG)],
            steps_after=True,
            no_value="no data from a day before",
        ),
        8,
        9,
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
                Query(f"group by ({SUBSCRIPTION}, {labels}) ({C.raw('avepoint_subscription_info')})"),
                Query(f"{EXPIRATION} * 1000", may_be_empty=NOT_HELD),
                Query(f"({EXPIRATION} - time()) / 86400", may_be_empty=NOT_HELD),
                *(
                    Query(C.once(SUBSCRIPTION, f"avepoint_subscription_{metric}"), may_be_empty=NOT_HELD)
                    for metric in (
                        "seats_purchased",
                        "microsoft_licenses_assigned",
                        "microsoft_licenses_available",
                        "units_purchased",
                        "seats_change",
                    )
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
                Column("F", "Available", width=90),
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
        panels.bars(
            "Use of purchased seats",
            "Microsoft licences assigned for each purchased seat; over 100 % is use beyond what was bought.",
            Query(f"sort_desc({SUBSCRIPTION_UTILIZATION})", legend, NOT_HELD),
            steps=look.SUBSCRIPTION_UTILIZATION,
            no_value="no subscription with seats and licences",
        ),
        8,
        9,
    )
    board.add(
        panels.lines(
            "Licences assigned and seats purchased",
            "Microsoft licences assigned, and seats purchased, of every subscription that has them.",
            [
                Query(
                    C.once(SUBSCRIPTION, "avepoint_subscription_microsoft_licenses_assigned"),
                    f"{legend}: assigned",
                    NOT_HELD,
                ),
                Query(
                    f"{C.once(SUBSCRIPTION, 'avepoint_subscription_seats_purchased')} < Inf",
                    f"{legend}: purchased",
                    NOT_HELD,
                ),
            ],
            calcs=("firstNotNull", "lastNotNull"),
            steps_after=True,
            soft_min=0,
            no_value="no subscription with seats",
            links=[look.runbook("AvePointSubscriptionOverAssigned"), look.runbook("AvePointSubscriptionSeatsLow")],
        ),
        8,
        9,
    )
    board.add(
        panels.lines(
            "Changes of this month",
            "Seats added or removed in the pooled licence since the first day of the month, as the API counts them.",
            [Query(C.once(SUBSCRIPTION, "avepoint_subscription_seats_change"), legend, NOT_HELD)],
            calcs=("lastNotNull",),
            steps_after=True,
            no_value="no pooled licence",
        ),
        8,
        9,
    )


def _capacity(board: Board) -> None:
    board.row("Capacity")
    purchased = C.once(SUBSCRIPTION, "avepoint_subscription_capacity_purchased_bytes")
    used, protected, consumed = (
        C.once(SUBSCRIPTION, f"avepoint_subscription_{metric}_bytes")
        for metric in ("capacity_used", "capacity_protected", "storage_consumed")
    )
    board.add(
        panels.table(
            "Capacity",
            "Subscriptions sold by capacity. Utilization is the larger of used and protected as a share of what was "
            "purchased; from 90 % it raises AvePointCapacityLow, at 100 % as critical.",
            [
                Query(expr, may_be_empty=NOT_HELD)
                for expr in (purchased, used, protected, consumed, CAPACITY_UTILIZATION)
            ],
            [
                Column("service_name", "Service", width=280),
                Column("A", "Purchased", unit="bytes", width=110, mapping=look.UNLIMITED),
                Column("B", "Used", unit="bytes", width=110),
                Column("C", "Protected", unit="bytes", width=110),
                Column("D", "Storage consumed", unit="bytes", width=140),
                Column(
                    "E", "Utilization", unit="percentunit", thresholds=look.CAPACITY_UTILIZATION, cell=GAUGE, decimals=1
                ),
                Column("subscription_id", "Subscription", width=130),
            ],
            sort="Utilization",
            hide=["partner", "customer_id"],
            no_value="no subscription with a capacity",
            links=[look.runbook("AvePointCapacityLow")],
        ),
        14,
        8,
    )
    board.add(
        panels.lines(
            "Capacity over time",
            "Used and protected capacity, and storage consumed, of every subscription that has them.",
            [
                Query(expr, f"{{{{service_name}}}}: {name}", NOT_HELD)
                for expr, name in ((used, "used"), (protected, "protected"), (consumed, "storage"))
            ],
            unit="bytes",
            soft_min=0,
            no_value="no subscription with a capacity",
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
                Column("B", "Available", width=120, mapping=look.UNLIMITED),
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
