"""What the simulated partners are, and so: what Prometheus must say about them."""

# The flags of each simulator. One holds still, so that an alert stays or does not come. In the other one the seats of
# its only customer (129 left at first) are used up, one in 3 seconds: a trend.
SIMULATORS = {
    "still": ["--time-scale=0"],
    "moving": ["--customers=1", "--seed=5", "--time-scale=28800"],
}
CUSTOMERS = 24 + 6 + 1


def configuration(partners: list) -> dict:
    """Polls these partners often, and keeps what it read for longer than the test lasts."""
    for partner in partners:
        partner["budget"] |= {"requests_per_second": 200, "burst": 200}
        if partner["name"] == "simulated":
            partner["name"] = "moving"
    often, seldom = {"interval": "2s", "max_age": "20m"}, {"interval": "10s", "max_age": "20m"}
    return {
        "partners": partners,
        "collectors": dict.fromkeys(("services", "tenant_seats", "customer_seats"), often)
        | dict.fromkeys(("products_purchased", "products_available"), seldom),
    }


BACKUP = "Cloud Backup for Microsoft 365 - Microsoft 365 services"
IAAS = "Cloud Backup for IaaS + PaaS - Unit"

# Alert, severity, who (a customer, else a partner), what. The customers are those of src/simulator/generate/cases.rs,
# in its order; whom it does not list here has nothing to worry about.
OF_CUSTOMERS = [
    # Exhausted: and so all that was bought is in use.
    ("AvePointSeatsExhausted", "warning", "Fairview Manufacturing", "microsoft365"),
    ("AvePointSubscriptionSeatsLow", "warning", "Fairview Manufacturing", BACKUP),
    # Low90, Low97
    ("AvePointSeatsLow", "warning", "Rosenthal Roofing", "microsoft365"),
    ("AvePointSubscriptionSeatsLow", "warning", "Rosenthal Roofing", BACKUP),
    ("AvePointSeatsLow", "critical", "Copper Hill Wealth Management", "microsoft365"),
    ("AvePointSubscriptionSeatsLow", "warning", "Copper Hill Wealth Management", BACKUP),
    # OverAssigned: no seat is left, either.
    ("AvePointSeatsExhausted", "warning", "Riverton Real Estate", "microsoft365"),
    ("AvePointSubscriptionOverAssigned", "critical", "Riverton Real Estate", BACKUP),
    # ExpiresIn2, ExpiresIn10, ExpiresIn25
    ("AvePointSubscriptionExpiring", "critical", 'Ludwig "Lou" Becker & Söhne', BACKUP),
    ("AvePointSubscriptionExpiring", "warning", "Schäfer Water Works", BACKUP),
    ("AvePointSubscriptionExpiring", "info", "Willow Creek Electric", BACKUP),
    # Expired5; neither Renewed nor Expired90
    ("AvePointSubscriptionExpired", "critical", "Norwood Plumbing & Heating", BACKUP),
    # ContractEnds
    ("AvePointContractEnding", "info", "Back\\slash Studios", BACKUP),
    # Capacity95, CapacityOver
    ("AvePointCapacityLow", "warning", "Summit Veterinary Hospital", IAAS),
    ("AvePointCapacityLow", "critical", "Calloway Farm Supplies", IAAS),
    # EqualRows: one of its rows was bought for 5 seats.
    ("AvePointSubscriptionOverAssigned", "critical", "O'Neill, Núñez & Żak", BACKUP),
]
# The first partner's secret is good for 200 days, the second one's for 21.
SECRET = ("AvePointCredentialExpiring", "warning", "quillmoor-nordic", "client_secret")
TREND = ("AvePointSeatsForecastExhausted", "info", "Clearwater Travel", "microsoft365")
UNREAD = [
    ("AvePointCollectorFailing", "critical", "moving", collector)
    for collector in ("services", "tenant_seats", "customer_seats", "products_purchased", "products_available")
]
DOWN = ("AvePointExporterDown", "critical", "", "")

AT_FIRST = [*OF_CUSTOMERS, SECRET, TREND]
# The API of the moving partner does not answer any more: what was known stays, and is no trend any more.
API_GONE = [*OF_CUSTOMERS, SECRET, *UNREAD]
# The exporter does not answer any more: how long its secrets hold is not worth an alert of its own then.
EXPORTER_GONE = [*OF_CUSTOMERS, *UNREAD, DOWN]

# Queries of panels that give nothing here, with the reason.
_HISTORY = "no history of hours or days"
_FAILURE = "nothing has failed"
EMPTY_PANELS = {
    "seats / Seats left, and in 14 days / B": _HISTORY,
    "seats / Will run out within 14 days / A": _HISTORY,
    "seats / Will run out within 14 days / B": _HISTORY,
    "seats / Capacity / D": "no subscription that is sold by capacity has it",
    "seats / Stale data / A": "nothing is stale",
    "customer / Seats left, and in 14 days / B": _HISTORY,
    "customer / Change of assigned seats in 24 hours / A": _HISTORY,
    "exporter / State saved / A": "no state file is configured",
    "exporter / Failed polls / A": _FAILURE,
    "exporter / Unreadable values / A": "the simulator answers nothing that is unreadable",
    "exporter / Failures by reason / A": _FAILURE,
    "exporter / Token requests / B": "no token is refused",
}
EMPTY_PANELS_API_GONE = {panel: reason for panel, reason in EMPTY_PANELS.items() if reason != _FAILURE}

# Queries of panels that show what was last known, with its names, when the exporter does not answer.
LAST_KNOWN = [
    "seats / What runs out first / A",
    "seats / Highest utilization / A",
    "seats / Customers / A",
    "seats / Alerts firing / A",
    "customer / Tenants / A",
    "exporter / Up / A",
]

# What panels that count must say; a part of such a query that is wrong would say 0.
COUNTS = {
    "seats / Customers / A": CUSTOMERS,
    "seats / No seat left / A": 2,
    "seats / Tenants ≥ 90 % / A": 2,
    "seats / Over-assigned / A": 2,
    "seats / Expire in 30 days / A": 3,
    "seats / Expired / A": 1,
    "seats / Stale customers / A": 0,
    "exporter / Customers / A": CUSTOMERS,
}

# Recording rules that give nothing, with the reason.
_FAILING = {"avepoint:collector_failing:targets": "no collector fails for all"}
_SILENT = {
    "avepoint:partner_silent:bool": "everything was read, and the exporter answers",
    "avepoint:collector_unread:ratio": "nothing is stale or of a silent partner",
}
EMPTY_AT_FIRST, EMPTY_API_GONE, EMPTY_EXPORTER_GONE = _FAILING | _SILENT, _SILENT, {}
