"""What every alert says, word by word: units, singular and plural, names and ids."""

from world import DAY

GB = 2**30


def minutes(bench):
    world = bench.world("texts")
    exporter = world.exporter("exporter:10120", targets={"services": {"fresh": 9}, "tenant_seats": {"failing": 2, "stale": 1}})
    exporter.customer("low", "Contoso").row("r1", seats=1000, assigned=915)
    exporter.customer("full", "").row("r1", seats=1, assigned=1)
    exporter.customer("over", 'Becker "Lou" & Söhne').row("r1", seats=10, assigned=11)
    exporter.customer("unused", "Back\\\\slash").row("r1", seats=100, assigned=1, expires=40 * DAY)
    exporter.customer("tenant").tenant("t1", 1, 0)
    exporter.customer("tenants").tenant("t1", 19, 1)
    exporter.customer("expires").row("r1", expires=20 * DAY + 120)
    exporter.customer("expired").row("r1", expires=-4 * DAY, service="Archive")
    exporter.customer("contract").row("r1", contract=50 * DAY + 120)
    exporter.customer("ended").row("r1", contract=-10 * DAY + 120)
    exporter.customer("capacity").row("r1", capacity=1000 * GB, protected=950 * GB)
    exporter.customer("stale", read=lambda time: time < 10).row("r1")
    partner = {"partner": "texts"}
    exporter.own("avepoint_api_throttled", partner, 1)
    exporter.own("avepoint_poll_lag_seconds", partner, 5400)
    exporter.own("avepoint_unreadable_values_total", partner | {"field": "change"}, lambda time: 3 if time >= 100 else 0)
    labels = partner | {"scope": "license", "reason": "unauthorized"}
    exporter.own("avepoint_auth_token_request_failures_total", labels, lambda time: time)
    date = "avepoint_auth_credential_expiration_timestamp_seconds"
    exporter.own(date, partner | {"credential": "client_secret"}, (20 * DAY + 120) * 60)
    exporter.own(date, partner | {"credential": "certificate"}, -2 * DAY * 60)
    exporter.own("avepoint_exporter_config_last_reload_successful", {}, 0)
    exporter.own("avepoint_exporter_config_last_reload_success_timestamp_seconds", {}, 0)
    exporter.own("avepoint_exporter_state_last_save_timestamp_seconds", {}, 0)
    exporter.own("avepoint_collector_polls_total", partner | {"collector": "services"}, lambda time: time)
    world.exporter("b", up=False)
    for alert in dict.fromkeys(text[0] for text in TEXTS):
        labelled = [(labels | ({} if "job" in labels else {"partner": "texts"}), *rest) for name, labels, *rest in TEXTS if name == alert]
        world.says(130, f"AvePoint{alert}", *labelled)
    return bench


# The alert, its labels besides the partner, the customer, summary and description.
TEXTS = [
    (
        "SeatsLow",
        {'customer_id': 'full', 'service_name': 'Backup', 'severity': 'warning'},
        "full",
        "full has assigned 100% of its seats of Backup",
        "1 licence is assigned, for 1 purchased seat of Backup (customer full, partner texts).",
    ),
    (
        "SeatsLow",
        {'customer_id': 'low', 'service_name': 'Backup', 'severity': 'warning'},
        "Contoso",
        "Contoso has assigned 91.5% of its seats of Backup",
        "915 licences are assigned, for 1000 purchased seats of Backup (customer low, partner texts).",
    ),
    (
        "SeatsLow",
        {'customer_id': 'over', 'service_name': 'Backup', 'severity': 'warning'},
        "Becker \"Lou\" & Söhne",
        "Becker \"Lou\" & Söhne has assigned 110% of its seats of Backup",
        "11 licences are assigned, for 10 purchased seats of Backup (customer over, partner texts).",
    ),
    (
        "SeatsExhausted",
        {'customer_id': 'full', 'service_name': 'Backup', 'severity': 'warning'},
        "full",
        "full has no seat of Backup left",
        "1 licence is assigned, for 1 purchased seat of Backup (customer full, partner texts). AvePoint bills by assigned licences: the next one is beyond what was purchased.",
    ),
    (
        "SeatsExhausted",
        {'customer_id': 'over', 'service_name': 'Backup', 'severity': 'warning'},
        "Becker \"Lou\" & Söhne",
        "Becker \"Lou\" & Söhne has no seat of Backup left",
        "11 licences are assigned, for 10 purchased seats of Backup (customer over, partner texts). AvePoint bills by assigned licences: the next one is beyond what was purchased.",
    ),
    (
        "SeatsOverAssigned",
        {'customer_id': 'over', 'service_name': 'Backup', 'severity': 'warning'},
        "Becker \"Lou\" & Söhne",
        "Becker \"Lou\" & Söhne uses 1 seat of Backup more than it has purchased",
        "11 licences are assigned, for 10 purchased seats of Backup (110%; for 2h 10m 0s; customer over, partner texts). AvePoint bills by assigned licences, and tolerates this for about 30 days.",
    ),
    (
        "SeatsUnused",
        {'customer_id': 'unused', 'service_name': 'Backup', 'severity': 'info'},
        "Back\\\\slash",
        "Back\\\\slash uses 1% of its seats of Backup, and the renewal is near",
        "1 licence is assigned, for 100 purchased seats of Backup; a subscription of it expires, or its contract ends, soon (customer unused, partner texts). If the number stays, fewer seats are enough.",
    ),
    (
        "TenantSeatsExhausted",
        {'customer_id': 'tenant', 'severity': 'info', 'tenant_id': 't1', 'tenant_type': 'microsoft365'},
        "Contoso",
        "Contoso has no microsoft365 licence available",
        "1 microsoft365 licence is assigned and 0 available in tenant t1 (customer tenant, partner texts). What AvePoint counts as available is not documented; it is likely what the customer owns of Microsoft (or Google, Salesforce, Dynamics 365) and has not assigned, not seats of AvePoint.",
    ),
    (
        "TenantSeatsLow",
        {'customer_id': 'tenant', 'severity': 'info', 'tenant_id': 't1', 'tenant_type': 'microsoft365'},
        "Contoso",
        "Contoso has assigned 100% of its microsoft365 licences",
        "1 microsoft365 licence is assigned and 0 available in tenant t1 (customer tenant, partner texts). What AvePoint counts as available is not documented; it is likely what the customer owns of Microsoft (or Google, Salesforce, Dynamics 365) and has not assigned, not seats of AvePoint.",
    ),
    (
        "TenantSeatsLow",
        {'customer_id': 'tenants', 'severity': 'info', 'tenant_id': 't1', 'tenant_type': 'microsoft365'},
        "Contoso",
        "Contoso has assigned 95% of its microsoft365 licences",
        "19 microsoft365 licences are assigned and 1 available in tenant t1 (customer tenants, partner texts). What AvePoint counts as available is not documented; it is likely what the customer owns of Microsoft (or Google, Salesforce, Dynamics 365) and has not assigned, not seats of AvePoint.",
    ),
    (
        "SubscriptionExpiring",
        {'customer_id': 'expired', 'service_name': 'Archive', 'severity': 'critical', 'subscription_id': 'r1'},
        "Contoso",
        "Archive of Contoso has expired",
        "The subscription to Archive has expired (subscription r1, customer expired, partner texts).",
    ),
    (
        "SubscriptionExpiring",
        {'customer_id': 'expired', 'service_name': 'Archive', 'severity': 'info', 'subscription_id': 'r1'},
        "Contoso",
        "Archive of Contoso has expired",
        "The subscription to Archive has expired (subscription r1, customer expired, partner texts).",
    ),
    (
        "SubscriptionExpiring",
        {'customer_id': 'expired', 'service_name': 'Archive', 'severity': 'warning', 'subscription_id': 'r1'},
        "Contoso",
        "Archive of Contoso has expired",
        "The subscription to Archive has expired (subscription r1, customer expired, partner texts).",
    ),
    (
        "SubscriptionExpiring",
        {'customer_id': 'expires', 'service_name': 'Backup', 'severity': 'info', 'subscription_id': 'r1'},
        "Contoso",
        "Backup of Contoso expires in 19d 23h 50m 0s",
        "The subscription to Backup expires in 19d 23h 50m 0s, and no row that runs beyond that carries it on (subscription r1, customer expires, partner texts).",
    ),
    (
        "SubscriptionExpired",
        {'customer_id': 'expired', 'service_name': 'Archive', 'severity': 'critical', 'subscription_id': 'r1'},
        "Contoso",
        "Archive of Contoso has expired",
        "The subscription to Archive expired 4d 2h 10m 0s ago, and no other one of this service runs on (subscription r1, customer expired, partner texts). AvePoint keeps the data for about 15 days after the expiry and then deletes it.",
    ),
    (
        "SubscriptionExpired",
        {'customer_id': 'expired', 'service_name': 'Archive', 'severity': 'warning', 'subscription_id': 'r1'},
        "Contoso",
        "Archive of Contoso has expired",
        "The subscription to Archive expired 4d 2h 10m 0s ago, and no other one of this service runs on (subscription r1, customer expired, partner texts). AvePoint keeps the data for about 15 days after the expiry and then deletes it.",
    ),
    (
        "ContractEnding",
        {'customer_id': 'contract', 'service_name': 'Backup', 'severity': 'info', 'subscription_id': 'r1'},
        "Contoso",
        "The contract of Contoso for Backup ends in 49d 23h 50m 0s",
        "The contract end date of Backup is in 49d 23h 50m 0s (subscription r1, customer contract, partner texts).",
    ),
    (
        "ContractEnding",
        {'customer_id': 'ended', 'service_name': 'Backup', 'severity': 'info', 'subscription_id': 'r1'},
        "Contoso",
        "The contract of Contoso for Backup has ended",
        "The contract end date of Backup was 10d 0h 10m 0s ago (subscription r1, customer ended, partner texts).",
    ),
    (
        "CapacityLow",
        {'customer_id': 'capacity', 'service_name': 'Backup', 'severity': 'warning'},
        "Contoso",
        "Contoso uses 95% of its capacity of Backup",
        "950GiB are protected or used, of 1000GiB of Backup (customer capacity, partner texts).",
    ),
    (
        "DataStale",
        {'collector': 'services', 'customer_id': 'stale', 'severity': 'warning'},
        "Contoso",
        "The services data of Contoso is stale",
        "The last successful poll of services for customer stale of partner texts was 2h 10m 0s ago, 216.7% of max_age; at 100% the exporter takes the values away. Other alerts of this customer go on from the last known values.",
    ),
    (
        "CollectorFailing",
        {'collector': 'tenant_seats', 'severity': 'critical'},
        None,
        "tenant_seats fails for every customer of partner texts",
        "No tenant_seats target of partner texts is fresh; 3 are failing or stale.",
    ),
    (
        "ApiThrottled",
        {'severity': 'warning'},
        None,
        "AvePoint throttles the requests of partner texts",
        "For 30 of the last 30 minutes no request of partner texts was allowed (429). Data gets older than its interval.",
    ),
    (
        "PollingBehind",
        {'severity': 'warning'},
        None,
        "The exporter cannot keep up with the polls of partner texts",
        "The most overdue target of partner texts is 1h 30m 0s late, more than twice the shortest interval.",
    ),
    (
        "ReplicaDown",
        {'job': 'avepoint_texts', 'severity': 'warning'},
        None,
        "An avepoint_exporter of job avepoint_texts does not answer, another one does",
        "1 of 2 targets of job avepoint_texts cannot be scraped; one that answers leads. What no exporter exports any more raises AvePointExporterDown.",
    ),
    (
        "TokenRefused",
        {'severity': 'critical'},
        None,
        "Partner texts gets no access token",
        "About 30 token requests of partner texts failed in the last 30 minutes, and no token is valid any more: no licences can be read.",
    ),
    (
        "CredentialExpiring",
        {'credential': 'certificate', 'severity': 'critical'},
        None,
        "The certificate of partner texts has expired",
        "It expired 2d 2h 10m 0s ago: AvePoint gives no token for it any more, and nothing can be read. Create a new one in AvePoint Elements and give it to the exporter.",
    ),
    (
        "CredentialExpiring",
        {'credential': 'certificate', 'severity': 'warning'},
        None,
        "The certificate of partner texts has expired",
        "It expired 2d 2h 10m 0s ago: AvePoint gives no token for it any more, and nothing can be read. Create a new one in AvePoint Elements and give it to the exporter.",
    ),
    (
        "CredentialExpiring",
        {'credential': 'client_secret', 'severity': 'warning'},
        None,
        "The client secret of partner texts expires in 19d 23h 50m 0s",
        "It expires in 19d 23h 50m 0s; from then on AvePoint gives no token for it, and nothing can be read. Create a new one in AvePoint Elements and give it to the exporter.",
    ),
    (
        "ConfigReloadFailed",
        {'instance': 'exporter:10120', 'job': 'avepoint_texts', 'severity': 'warning'},
        None,
        "avepoint_exporter on exporter:10120 runs with an old configuration",
        "The last reload failed; the configuration in use was loaded 2h 10m 0s ago. A restart would fail with the file as it is.",
    ),
    (
        "StateNotSaved",
        {'instance': 'exporter:10120', 'job': 'avepoint_texts', 'severity': 'warning'},
        None,
        "avepoint_exporter on exporter:10120 does not save its state",
        "The state was last saved 2h 10m 0s ago, and data was read in the last hour. After a restart that data would be missing until it is read again.",
    ),
    (
        "UnreadableValues",
        {'field': 'change', 'severity': 'info'},
        None,
        "AvePoint answers partner texts with values of change that the exporter cannot read",
        "About 3 values of field change could not be read in the last hour and are missing from the metrics.",
    ),
]
