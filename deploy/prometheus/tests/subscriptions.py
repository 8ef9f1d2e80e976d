"""Subscriptions, contracts and capacity."""

from world import DAY, steps

TB = 2**40
GB = 2**30


def hours(bench):
    # Expires at 400: each band begins when its days are reached; critical, warning and info go on beside Expired.
    world = bench.world("expiry")
    exporter = world.exporter()
    exporter.customer("forgotten").row("r1", expires=400)
    fires = world.of("forgotten", subscription_id="r1")
    for severity in ("info", "warning", "critical"):
        fires("AvePointSubscriptionExpiring", severity, (30,))
    for severity in ("warning", "critical"):
        fires("AvePointSubscriptionExpired", severity, (430,))
    for name, days, severity in (("days30", 30, "info"), ("days14", 14, "warning"), ("days3", 3, "critical")):
        exporter.customer(name).row("r1", expires=days * DAY + 200)
        fires = world.of(name, subscription_id="r1")
        for other in {"info": [], "warning": ["info"], "critical": ["info", "warning"]}[severity]:
            fires("AvePointSubscriptionExpiring", other, (30,))
        fires("AvePointSubscriptionExpiring", severity, (230,))
    # Renewed in the same row, at 600.
    exporter.customer("late").row("r1", expires=steps(400, (435, 400 * DAY)))
    fires = world.of("late", subscription_id="r1")
    for severity in ("info", "warning", "critical"):
        fires("AvePointSubscriptionExpiring", severity, (30, 435))
    for severity in ("warning", "critical"):
        fires("AvePointSubscriptionExpired", severity, (430, 435))
    # If another row runs on that carries too little, Expiring ends at the expiry, and nothing has expired.
    exporter.customer("little").row("r1", seats=20, expires=400).row("r2", seats=10, expires=90 * DAY)
    fires = world.of("little", subscription_id="r1")
    for severity in ("info", "warning", "critical"):
        fires("AvePointSubscriptionExpiring", severity, (30, 400))
    # Rows that the renewal carries: as many seats, no date, no seats at all.
    exporter.customer("enough").row("r1", seats=20, expires=400).row("r2", seats=20, expires=90 * DAY)
    exporter.customer("undated").row("r1", seats=20, expires=400).row("r2", seats=20)
    exporter.customer("seatless").row("r1", expires=400).row("r2", expires=90 * DAY)
    exporter.customer("unlimited").row("r1", seats=20, expires=400).row("r2", seats=float("inf"), expires=90 * DAY)
    exporter.customer("zero").row("r1", seats=0, expires=400).row("r2", expires=90 * DAY)
    # The renewal itself ends within 30 days: info of both, and no other band.
    exporter.customer("short").row("r1", seats=20, expires=400).row("r2", seats=20, expires=20 * DAY)
    world.of("short", subscription_id="r1")("AvePointSubscriptionExpiring", "info", (30, 400))
    world.of("short", subscription_id="r2")("AvePointSubscriptionExpiring", "info", (30,))
    # Unlimited seats that expire are carried by unlimited ones only.
    exporter.customer("finite").row("r1", seats=float("inf"), expires=20 * DAY).row("r2", seats=500, expires=90 * DAY)
    world.of("finite", subscription_id="r1")("AvePointSubscriptionExpiring", "info", (30,))
    # Another service does not carry it.
    exporter.customer("other").row("r1", seats=5, expires=20 * DAY).row("r2", "Archive", seats=50, expires=90 * DAY)
    world.of("other", subscription_id="r1")("AvePointSubscriptionExpiring", "info", (30,))

    # Of several expired rows the latest; an old one beside one that runs is nothing.
    world = bench.world("expired")
    exporter = world.exporter()
    exporter.customer("several").row("r1", expires=-20 * DAY).row("r2", expires=-5 * DAY)
    fires = world.of("several", subscription_id="r2")
    for severity in ("info", "warning", "critical"):
        fires("AvePointSubscriptionExpiring", severity, (30,))
    fires("AvePointSubscriptionExpired", "warning", (30,))
    fires("AvePointSubscriptionExpired", "critical", (30,))
    exporter.customer("renewed").row("r1", expires=-5 * DAY).row("r2", expires=90 * DAY)
    exporter.customer("paygo").row("r1", expires=-5 * DAY).row("r2")
    exporter.customer("long").row("r1", expires=-90 * DAY, seats=5, assigned=9)
    exporter.customer("gone").row("r1", expires=-5 * DAY, there=steps(True, (300, False))).row("r2", "Archive", expires=90 * DAY)
    fires = world.of("gone", subscription_id="r1")
    for severity in ("info", "warning", "critical"):
        fires("AvePointSubscriptionExpiring", severity, (30, 300))
    fires("AvePointSubscriptionExpired", "warning", (30, 300))
    fires("AvePointSubscriptionExpired", "critical", (30, 300))

    world = bench.world("contracts")
    exporter = world.exporter()
    exporter.customer("ends").row("r1", contract=60 * DAY + 200)
    world.of("ends", subscription_id="r1")("AvePointContractEnding", "info", (230,))
    exporter.customer("ended").row("r1", contract=-30 * DAY + 400)
    world.of("ended", subscription_id="r1")("AvePointContractEnding", "info", (30, 400))
    exporter.customer("renewed").row("r1", contract=steps(10 * DAY, (300, 400 * DAY)))
    world.of("renewed", subscription_id="r1")("AvePointContractEnding", "info", (30, 300))

    world = bench.world("capacity")
    exporter = world.exporter()
    exporter.customer("grows").row("r1", capacity=TB, protected=steps(0.89 * TB, (60, 0.9 * TB), (120, TB), (360, 0.5 * TB)), used=TB)
    world.of("grows")("AvePointCapacityLow", "warning", (90, 360))
    world.of("grows")("AvePointCapacityLow", "critical", (150, 360))
    exporter.customer("used").row("r1", capacity=10 * GB, protected=0, used=9.5 * GB)
    world.of("used")("AvePointCapacityLow", "warning", (30,))
    exporter.customer("seat").row("r1", seats=10, per_seat=GB, capacity=100 * TB, protected=9 * GB, model="1 GB/User/Year")
    world.of("seat")("AvePointCapacityLow", "warning", (30,))
    # Summed over the rows that run: 95 of 100 and 5 of 100; and 95 of 100 beside what has expired.
    exporter.customer("summed").row("r1", capacity=100, protected=95).row("r2", capacity=100, protected=5)
    exporter.customer("expired").row("r1", capacity=100, protected=95).row("r2", capacity=100, protected=0, expires=-40 * DAY)
    world.of("expired")("AvePointCapacityLow", "warning", (30,))
    for number, row in enumerate(
        (
            dict(capacity=0, protected=5),
            dict(capacity=float("inf"), protected=5),
            dict(capacity=5),
            dict(protected=5),
            dict(per_seat=GB, protected=5 * GB),
            dict(capacity=5, protected=float("inf")),
            dict(capacity=5, protected=0, used=0),
        )
    ):
        exporter.customer(f"c{number}").row("r1", **row)


def weeks(bench):
    # Down to the expiry and from it on, never renewed; and renewed by another row on day 25.
    world = bench.world("subscription")
    exporter = world.exporter()
    exporter.customer("runs").row("r1", seats=20, expires=31 * DAY)
    fires = world.of("runs", subscription_id="r1")
    fires("AvePointSubscriptionExpiring", "info", (DAY + 30,))
    fires("AvePointSubscriptionExpiring", "warning", (17 * DAY + 30,))
    fires("AvePointSubscriptionExpiring", "critical", (28 * DAY + 30,))
    fires("AvePointSubscriptionExpired", "warning", (31 * DAY + 30,))
    fires("AvePointSubscriptionExpired", "critical", (31 * DAY + 30,))
    exporter.customer("over").row("r1", seats=20, expires=DAY)
    fires = world.of("over", subscription_id="r1")
    for severity in ("info", "warning", "critical"):
        fires("AvePointSubscriptionExpiring", severity, (30, 31 * DAY))
    fires("AvePointSubscriptionExpired", "critical", (DAY + 30, 16 * DAY))
    fires("AvePointSubscriptionExpired", "warning", (DAY + 30, 31 * DAY))
    there = steps(False, (25 * DAY, True))
    exporter.customer("renews").row("r1", seats=20, expires=30 * DAY).row("r2", seats=20, expires=395 * DAY, there=there)
    fires = world.of("renews", subscription_id="r1")
    fires("AvePointSubscriptionExpiring", "info", (30, 25 * DAY))
    fires("AvePointSubscriptionExpiring", "warning", (16 * DAY + 30, 25 * DAY))
