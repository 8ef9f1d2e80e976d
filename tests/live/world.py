"""What the simulated partners are, and so: what Prometheus must say about them."""

# The flags of each simulator. They hold still, so that an alert stays or does not come. The second one is taken away.
SIMULATORS = {
    "first": ["--time-scale=0"],
    "second": ["--customers=1", "--seed=5", "--time-scale=0"],
}
CUSTOMERS = 24 + 6 + 1


def configuration(partners: list) -> dict:
    """Polls these partners often, and keeps what it read for longer than the test lasts."""
    for partner in partners:
        partner["budget"] |= {"requests_per_second": 200, "burst": 200}
        if partner["name"] == "simulated":
            partner["name"] = "second"
    often, seldom = {"interval": "2s", "max_age": "20m"}, {"interval": "10s", "max_age": "20m"}
    return {
        "partners": partners,
        "collectors": dict.fromkeys(("services", "tenant_seats", "customer_seats"), often)
        | dict.fromkeys(("products_purchased", "products_available"), seldom),
    }


BACKUP = "Cloud Backup for Microsoft 365 - Microsoft 365 services"
IAAS = "Cloud Backup for IaaS + PaaS - Unit"

# Alert, severity, who (a customer, else a partner), what. The customers are those of crates/simulator/src/generate/scenarios.rs,
# in its order; whom it does not list here has nothing to worry about. What is worse is true beside what is less: it is
# Alertmanager's inhibition, which is not configured here, that makes one notification of it.


def _bands(who: str, what: str, *alerts: str) -> list:
    return [(f"AvePoint{alert.split()[0]}", alert.split()[1], who, what) for alert in alerts]


LOW, FULL = "SeatsLow warning", "SeatsExhausted warning"
OVER = ("SeatsOverAssigned warning", "SeatsOverAssigned critical")
INFO, WARNING, CRITICAL = (f"SubscriptionExpiring {severity}" for severity in ("info", "warning", "critical"))
EXPIRED = ("SubscriptionExpired warning", "SubscriptionExpired critical")
TENANT_LOW, TENANT_FULL = "TenantSeatsLow info", "TenantSeatsExhausted info"
OF_CUSTOMERS = [
    # Exhausted, Low90, Low97, OverAssigned: their tenants as well.
    *_bands("Fairview Manufacturing", BACKUP, LOW, FULL),
    *_bands("Fairview Manufacturing", "microsoft365", TENANT_LOW, TENANT_FULL),
    *_bands("Rosenthal Roofing", BACKUP, LOW),
    *_bands("Rosenthal Roofing", "microsoft365", TENANT_LOW),
    *_bands("Copper Hill Wealth Management", BACKUP, LOW),
    *_bands("Copper Hill Wealth Management", "microsoft365", TENANT_LOW),
    *_bands("Riverton Real Estate", BACKUP, LOW, FULL, *OVER),
    *_bands("Riverton Real Estate", "microsoft365", TENANT_LOW, TENANT_FULL),
    # ExpiresIn2, ExpiresIn10, ExpiresIn25
    *_bands('Ludwig "Lou" Becker & Söhne', BACKUP, INFO, WARNING, CRITICAL),
    *_bands("Schäfer Water Works", BACKUP, INFO, WARNING, "SeatsUnused info"),
    *_bands("Willow Creek Electric", BACKUP, INFO),
    # Expired5; neither Renewed nor Expired90
    *_bands("Norwood Plumbing & Heating", BACKUP, INFO, WARNING, CRITICAL, *EXPIRED),
    # ContractEnds
    *_bands("Back\\slash Studios", BACKUP, "ContractEnding info", "SeatsUnused info"),
    # Capacity95, CapacityOver
    *_bands("Summit Veterinary Hospital", IAAS, "CapacityLow warning"),
    *_bands("Calloway Farm Supplies", IAAS, "CapacityLow warning", "CapacityLow critical"),
]
# The first partner's secret is good for 200 days, the second one's for 21.
SECRET = ("AvePointCredentialExpiring", "warning", "quillmoor-nordic", "client_secret")
UNREAD = [
    (alert, severity, "second", collector)
    for alert, severity in (("AvePointCollectorFailing", "critical"), ("AvePointTargetsFailing", "warning"))
    for collector in ("services", "tenant_seats", "customer_seats", "products_purchased", "products_available")
]
DOWN = ("AvePointExporterDown", "critical", "", "")

AT_FIRST = [*OF_CUSTOMERS, SECRET]
# The API of the second partner does not answer any more: what was known stays.
API_GONE = [*OF_CUSTOMERS, SECRET, *UNREAD]
# The exporter does not answer any more: how long its secrets hold is not worth an alert of its own then.
EXPORTER_GONE = [*OF_CUSTOMERS, *UNREAD, DOWN]

# Queries of panels that give nothing here, with the reason.
_HISTORY = "no history of hours or days"
_SLOW = "no seats are used up"
_FAILURE = "nothing has failed"
EMPTY_PANELS = {
    "seats / Will run out within 18 days / A": _SLOW,
    "seats / Will run out within 18 days / B": _SLOW,
    "seats / Stale data / A": "nothing is stale",
    "customer / Change of assigned licences in 24 hours / A": _HISTORY,
    "exporter / State saved / A": "no state file is configured",
    "exporter / Failed polls / A": _FAILURE,
    "exporter / Unreadable values / A": "the simulator answers nothing that is unreadable",
    "exporter / Failures by reason / A": _FAILURE,
    "exporter / Token requests / B": "no token is refused",
}
_OFF = "the collectors of backups are off; backups.py has them"
_OF_BACKUPS = {
    "seats": {"Backups failed": 1, "Not configured": 1, "Plans with errors": 1, "Plans without a run": 1, "Data stored by backups": 1,
              "Customers whose backups fail": 1, "Plans": 4, "Coverage": 3},
    "customer": {"Plans": 4, "Coverage": 3, "Protected objects": 1, "Data stored by backups": 1},
}
EMPTY_PANELS |= {
    f"{board} / {panel} / {chr(ord('A') + number)}": _OFF
    for board, panels in _OF_BACKUPS.items()
    for panel, count in panels.items()
    for number in range(count)
}
EMPTY_PANELS |= dict.fromkeys(
    ("exporter / Take-overs / A", "exporter / Age of the lease / A", "exporter / Collectors / J"),
    "an exporter alone, without the collectors of backups",
)
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
    "seats / Services ≥ 90 % / A": 2,
    "seats / Over-assigned / A": 1,
    "seats / Expire in 30 days / A": 3,
    "seats / Expired / A": 2,
    "seats / Stale customers / A": 0,
    "exporter / Customers / A": CUSTOMERS,
}

# Recording rules that give nothing, with the reason.
_OFF_RECORDS = (
    "avepoint:customer_job_status:last avepoint:backup_failed:since avepoint:backup_unconfigured:since avepoint:backup_job_status:last "
    "avepoint:backup_job_failed:ratio avepoint:backup_job_end_timestamp_seconds:last avepoint:backup_objects_scanned:last "
    "avepoint:backup_objects_protected:last avepoint:backup_coverage:ratio avepoint:backup_job_bad:info avepoint:backup_job_bad_runs:count "
    "avepoint:backup_job_on_time:since avepoint:backup_job_judged:timestamp avepoint:band:backup_failed "
    "avepoint:band:backup_not_configured avepoint:band:backup_job_errors avepoint:band:backup_stale avepoint:band:backup_coverage_low"
).split()
_NOBODY = dict.fromkeys(_OFF_RECORDS, _OFF) | {
    "avepoint:lease_leaders:count": "an exporter alone has no lease",
    "avepoint:exporter_leading:for5m": "an exporter alone has no lease",
    "avepoint:muted": "no customer is muted",
    "avepoint:band:seats_forecast": _SLOW,
    "avepoint:seats_forecast:days": _SLOW,
}
_UNREAD = {
    "avepoint:collector_unread:info": "everything was read lately",
    "avepoint:collector_missing:last": "of everything the exporter says when it was read",
    "avepoint:collector_unknown:last": "of everything the exporter says when it was read",
}
_ALONE = {
    "avepoint:collector_outdated:info": "one exporter alone is the newest",
    "avepoint:collector_stale:ratio": "nothing is older than half of max_age",
}
_GONE = dict.fromkeys(
    (
        "avepoint:exporter_partner:info",
        "avepoint:exporter_serving:info",
        "avepoint:listing:info",
        "avepoint:exporter_fresh:info",
        "avepoint:labels_exporter:info",
    ),
    "the exporter does not answer",
)
_FAILING = {"avepoint:collector_failing:targets": "no collector fails for all", "avepoint:collector_bad:targets": "nothing fails"}
EMPTY_AT_FIRST = _NOBODY | _UNREAD | _ALONE | _FAILING
EMPTY_API_GONE = _NOBODY | _UNREAD | _ALONE
EMPTY_EXPORTER_GONE = _NOBODY | _ALONE | _GONE
