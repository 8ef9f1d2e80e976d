"""Seats of services and tenants."""

from world import DAY, steps

INF = float("inf")


def hours(bench):
    # Polled every 15 minutes, `for` 30 minutes: what changes at 30 fires at 60.
    world = bench.world("slide")
    customer = world.exporter().customer()
    customer.row("r1", seats=100, assigned=steps(85, (30, 89), (60, 90), (120, 99), (180, 100), (240, 110), (270, 111), (360, 89)))
    fires = world.of("c1")
    fires("AvePointSeatsLow", "warning", (90, 360))
    fires("AvePointSeatsExhausted", "warning", (210, 360))
    fires("AvePointSeatsOverAssigned", "warning", (270, 360))
    fires("AvePointSeatsOverAssigned", "critical", (300, 360))
    ids = {"partner": "slide", "customer_id": "c1", "service_name": "Backup"}
    world.query(240, 'avepoint:seats_headroom{partner="slide"}', ("avepoint:seats_headroom", ids, -10))
    world.query(240, 'avepoint:seats_utilization:ratio{partner="slide"}', ("avepoint:seats_utilization:ratio", ids, 1.1))
    # 242 seats beside the 5 and the 242 that they replace; and what expired long ago counts neither way.
    world = bench.world("renewals")
    customer = world.exporter().customer()
    for row, seats, expires in (("r1", 5, 90 * DAY), ("r2", 242, 100 * DAY), ("r3", 242, None), ("r4", 10, -100 * DAY)):
        customer.row(row, seats=seats, assigned=167 if row != "r4" else 900, expires=expires)
    ids = {"partner": "renewals", "customer_id": "c1", "service_name": "Backup"}
    world.query(300, 'avepoint:seats_purchased:sum{partner="renewals"}', ("avepoint:seats_purchased:sum", ids, 489))
    world.query(300, 'avepoint:seats_assigned:max{partner="renewals"}', ("avepoint:seats_assigned:max", ids, 167))

    # One seat more than purchased, of one: singular in every text.
    world = bench.world("one")
    world.exporter().customer("c9", name="").row("r1", seats=1, assigned=2)
    for alert, severity in (("SeatsLow", "warning"), ("SeatsExhausted", "warning"), ("SeatsOverAssigned", "warning"), ("SeatsOverAssigned", "critical")):
        world.of("c9")(f"AvePoint{alert}", severity, (30,))

    # What must never fire: nothing purchased, no limit, nothing assigned, another model, rows without numbers.
    world = bench.world("guards")
    exporter = world.exporter()
    for number, row in enumerate(
        (
            dict(seats=0, assigned=5),
            dict(seats=INF, assigned=500),
            dict(seats=None, assigned=5),
            dict(seats=5),
            dict(seats=5, assigned=INF),
            dict(seats=5, assigned=0),
            dict(seats=20, assigned=500, model="Unlimited Users"),
            dict(seats=20, assigned=500, model="1 GB/User/Year"),
            dict(seats=10, assigned=8),
        )
    ):
        exporter.customer(f"c{number}").row("r1", **row)
    # One running row of a model that is not about seats is enough; an expired one is not.
    exporter.customer("mixed").row("r1", seats=5, assigned=9).row("r2", model="unlimited users", expires=10 * DAY, seats=99)
    world.of("mixed", "Backup", subscription_id="r2")("AvePointSubscriptionExpiring", "warning", (30,))
    world.of("mixed", "Backup", subscription_id="r2")("AvePointSubscriptionExpiring", "info", (30,))
    exporter.customer("was").row("r1", seats=10, assigned=10).row("r2", model="Unlimited users", expires=-40 * DAY)
    world.of("was")("AvePointSeatsLow", "warning", (30,))
    world.of("was")("AvePointSeatsExhausted", "warning", (30,))
    # Two services of one customer are two things.
    exporter.customer("two").row("r1", seats=10, assigned=9).row("r2", "Archive", seats=10, assigned=1)
    world.of("two")("AvePointSeatsLow", "warning", (30,))

    world = bench.world("unused")
    exporter = world.exporter()
    exporter.customer("near").row("r1", seats=100, assigned=steps(69, (300, 70)), expires=45 * DAY)
    world.of("near")("AvePointSeatsUnused", "info", (30, 300))
    exporter.customer("contract").row("r1", seats=17, assigned=11, contract=40 * DAY)
    world.of("contract", subscription_id="r1")("AvePointContractEnding", "info", (30,))
    world.of("contract")("AvePointSeatsUnused", "info", (30,))
    exporter.customer("few").row("r1", seats=10, assigned=6, expires=40 * DAY)
    exporter.customer("far").row("r1", seats=100, assigned=10, expires=47 * DAY, contract=90 * DAY)
    exporter.customer("nobody").row("r1", seats=100, assigned=0, expires=40 * DAY)
    ids = {"partner": "unused", "customer_id": "near", "service_name": "Backup"}
    world.says(
        100,
        "AvePointSeatsUnused",
        (
            {"severity": "info"} | ids,
            "Contoso",
            "Contoso uses 69% of its seats of Backup, and the renewal is near",
            "69 licences are assigned, for 100 purchased seats of Backup; a subscription of it expires, or its contract ends, soon "
            "(customer near, partner unused). If the number stays, fewer seats are enough.",
        ),
        (
            {"severity": "info"} | ids | {"customer_id": "contract"},
            "Contoso",
            "Contoso uses 64.71% of its seats of Backup, and the renewal is near",
            "11 licences are assigned, for 17 purchased seats of Backup; a subscription of it expires, or its contract ends, soon "
            "(customer contract, partner unused). If the number stays, fewer seats are enough.",
        ),
    )

    # Polled every hour, `for` 2 hours.
    world = bench.world("tenants")
    customer = world.exporter().customer()
    customer.tenant("t1", steps(18, (60, 19), (180, 20), (420, 10)), steps(3, (60, 2), (180, 0), (420, 9)))
    customer.tenant("t2", 0, 0).tenant("t3", 8, INF).tenant("t4", INF, 0).tenant("t5", 1, 0, "google")
    fires = world.of("c1", None, tenant_id="t1", tenant_type="microsoft365")
    fires("AvePointTenantSeatsLow", "info", (180, 420))
    fires("AvePointTenantSeatsExhausted", "info", (300, 420))
    fires = world.of("c1", None, tenant_id="t5", tenant_type="google")
    fires("AvePointTenantSeatsLow", "info", (120,))
    fires("AvePointTenantSeatsExhausted", "info", (120,))
    undocumented = (
        "What AvePoint counts as available is not documented; it is likely what the customer owns of Microsoft (or Google, "
        "Salesforce, Dynamics 365) and has not assigned, not seats of AvePoint."
    )
    world.says(
        430,
        "AvePointTenantSeatsLow",
        (
            {"severity": "info", "partner": "tenants", "customer_id": "c1", "tenant_id": "t5", "tenant_type": "google"},
            "Contoso",
            "Contoso has assigned 100% of its google licences",
            f"1 google licence is assigned and 0 available in tenant t5 (customer c1, partner tenants). {undocumented}",
        ),
    )

    # The examples of settings.rules.yml; and the label that mutes by default.
    world = bench.world("settings")
    exporter = world.exporter()
    exporter.customer("gold", labels={"tier": "gold"}).row("r1", seats=10, assigned=8)
    world.of("gold", tier="gold")("AvePointSeatsLow", "warning", (30,))
    exporter.customer("silver", labels={"tier": "silver"}).row("r1", seats=10, assigned=8)
    exporter.customer("off", labels={"alerting": "off"}).row("r1", seats=10, assigned=20, expires=DAY).tenant("t1", 5, 0)
    exporter.customer("1c10525c-121b-4bbc-80a4-2e641bc13421").row("r1", seats=10, assigned=20, contract=DAY)
    exporter.customer("service").row("r1", "EnPower", seats=10, assigned=20).row("r2", seats=10, assigned=9)
    world.of("service")("AvePointSeatsLow", "warning", (30,))
    # Muted things stay on dashboards.
    world.query(300, 'avepoint:seats_headroom{customer_id="off"}', ("avepoint:seats_headroom", {"partner": "settings", "customer_id": "off", "service_name": "Backup", "alerting": "off"}, -10))
    # Muted, and the exporter is down: still muted.
    world = bench.world("muted")
    exporter = world.exporter(up=steps(True, (200, False)))
    exporter.customer("off", labels={"alerting": "off"}, read=False).row("r1", seats=10, assigned=20)
    exporter.customer("on").row("r1", seats=10, assigned=9)
    world.of("on")("AvePointSeatsLow", "warning", (30,))
    world.fires("AvePointExporterDown", "critical", (210,))

    # A rename changes texts and nothing else; a label of the configuration starts an alert anew, never twice.
    world = bench.world("rename")
    exporter = world.exporter()
    exporter.customer("c1", name=steps("Contoso", (300, "Fabrikam"))).row("r1", seats=10, assigned=9)
    world.of("c1")("AvePointSeatsLow", "warning", (30,))
    for time, name in ((299, "Contoso"), (300, "Fabrikam")):
        ids = {"severity": "warning", "partner": "rename", "customer_id": "c1", "service_name": "Backup"}
        world.query(time, f'avepoint:customer_name:info{{customer_name="{name}"}} and on (partner, customer_id) avepoint:customer:info{{partner="rename"}}', ("avepoint:customer_name:info", {"partner": "rename", "customer_id": "c1", "customer_name": name}, 1))


def weeks(bench):
    # Every half hour; `for` 30 minutes is then one evaluation more.
    world = bench.world("over")
    world.exporter().customer().row("r1", seats=100, assigned=steps(90, (DAY, 101), (28 * DAY, 100), (29 * DAY, 101), (31 * DAY, 50)))
    fires = world.of("c1")
    fires("AvePointSeatsLow", "warning", (30, 31 * DAY))
    fires("AvePointSeatsExhausted", "warning", (DAY + 30, 31 * DAY))
    fires("AvePointSeatsOverAssigned", "warning", (DAY + 30, 28 * DAY), (29 * DAY + 30, 31 * DAY))
    # 25 days after it began; the day at 100 in between begins anew.
    fires("AvePointSeatsOverAssigned", "critical", (26 * DAY + 30, 28 * DAY))

    # 40 seats, 2 taken a day: 14 days from the third day with 7 of history; 0 on day 20; none from day 24 on.
    world = bench.world("forecast")
    exporter = world.exporter()
    grow = lambda time: 60 + 2 * min(time // DAY, 20)  # noqa: E731
    exporter.customer("daily").row("r1", seats=steps(100, (26 * DAY, 120)), assigned=grow)
    fires = world.of("daily")
    fires("AvePointSeatsLow", "warning", (15 * DAY + 30, 26 * DAY))
    fires("AvePointSeatsExhausted", "warning", (20 * DAY + 30, 26 * DAY))
    fires("AvePointSeatsForecastExhausted", "info", (6 * DAY + 30, 26 * DAY))
    world.says(
        13 * DAY,
        "AvePointSeatsForecastExhausted",
        (
            {"severity": "info", "partner": "forecast", "customer_id": "daily", "service_name": "Backup"},
            "Contoso",
            "Contoso will run out of seats of Backup in about 7 days",
            "14 seats of Backup are left; over the last days 2.0 a day were taken (customer daily, partner forecast).",
        ),
    )
    world.says(
        21 * DAY,
        "AvePointSeatsForecastExhausted",
        (
            {"severity": "info", "partner": "forecast", "customer_id": "daily", "service_name": "Backup"},
            "Contoso",
            "Contoso has run out of seats of Backup, as forecast",
            "No seat of Backup is left; over the last days 1.7 a day were taken (customer daily, partner forecast).",
        ),
    )
    # Ten every Monday.
    weekly = lambda time: 40 + 10 * min(time // (7 * DAY), 3)  # noqa: E731
    exporter.customer("weekly").row("r1", seats=90, assigned=weekly)
    fires = world.of("weekly")
    fires("AvePointSeatsForecastExhausted", "info", (21 * DAY + 30, 28 * DAY + 60))
    # One order is no trend; and what is flat for a week is none any more.
    exporter.customer("once").row("r1", seats=100, assigned=steps(40, (10 * DAY, 80)))
    exporter.customer("flat").row("r1", seats=100, assigned=steps(60, (3 * DAY, 68), (4 * DAY, 75), (5 * DAY, 80)))
    world.of("flat")("AvePointSeatsForecastExhausted", "info", (4 * DAY + 30, 11 * DAY))
