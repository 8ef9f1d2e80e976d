"""Restarts, outages, several exporters: what is known is kept, and the newest is believed."""

from world import DAY, steps


def hours(bench):
    # The API answers nothing from 100 on: values go an hour after the last answer; DataStale at half of that.
    world = bench.world("outage")
    exporter = world.exporter(listing=steps(True, (100, False), (500, True)), targets={"services": {"failing": steps(0, (110, 2), (500, 0)), "fresh": steps(2, (120, 0), (500, 2))}})
    exporter.customer("c1", labels={"tier": "silver"}, read=steps(True, (100, False), (500, True))).row("r1", seats=10, assigned=steps(9, (400, 5)))
    exporter.customer("full", read=steps(True, (100, False), (500, True))).row("r1", seats=10, assigned=10, expires=300)
    # Polls at 90 and 510; half of max_age is 120, and 10 minutes. The first fresh answer ends what is over.
    world.of("c1", tier="silver")("AvePointSeatsLow", "warning", (30, 510))
    world.of("c1", None, collector="services", tier="silver")("AvePointDataStale", "warning", (131, 510))
    world.of("full", None, collector="services")("AvePointDataStale", "warning", (131, 510))
    # A row that expires meanwhile: its seats end with it.
    world.of("full")("AvePointSeatsLow", "warning", (30, 300))
    world.of("full")("AvePointSeatsExhausted", "warning", (30, 300))
    for severity in ("info", "warning", "critical"):
        world.of("full", subscription_id="r1")("AvePointSubscriptionExpiring", severity, (30,))
    for severity in ("warning", "critical"):
        world.of("full", subscription_id="r1")("AvePointSubscriptionExpired", severity, (330,))
    world.fires("AvePointCollectorFailing", "critical", (150, 500), collector="services")

    # Down from 100 to 400 and back without its state; the API refuses to list until 460. One customer has left meanwhile.
    up = steps(True, (100, False), (400, True))
    world = bench.world("restart")
    targets = {"services": {"pending": steps(0, (400, 3), (465, 0)), "fresh": steps(3, (400, 0), (465, 3)), "failing": 0}}
    exporter = world.exporter(up=up, starts=(400,), listing=steps(True, (400, False), (460, True)), targets=targets)
    for customer, listed in (("stays", True), ("leaves", steps(True, (300, False)))):
        exporter.customer(customer, listed=listed).row("r1", seats=10, assigned=9).tenant("t1", 5, 0)
    exporter.customer("grows").row("r1", seats=10, assigned=steps(8, (300, 9)))
    for customer, end in (("stays", None), ("leaves", 465)):
        world.of(customer)("AvePointSeatsLow", "warning", (30, end))
        for alert in ("Exhausted", "Low"):
            world.of(customer, None, tenant_id="t1", tenant_type="microsoft365")(f"AvePointTenantSeats{alert}", "info", (120, end))
    # Read anew with the listing at 465.
    world.of("grows")("AvePointSeatsLow", "warning", (495,))
    world.fires("AvePointExporterDown", "critical", (110, 400))
    # Old it is when the exporter is back, until it is read.
    for customer, collectors in (("stays", ("services", "tenant_seats")), ("leaves", ("services", "tenant_seats")), ("grows", ("services",))):
        for collector in collectors:
            world.of(customer, None, collector=collector)("AvePointDataStale", "warning", (410, 465))

    # A pod that is rescheduled under another name, without any target for 5 hours; and one that never comes back: 6 hours.
    world = bench.world("moved")
    for instance, up in (("a", steps(True, (100, None))), ("b", steps(None, (400, True)))):
        exporter = world.exporter(instance, up=up, starts=(400,) if instance == "b" else ())
        exporter.customer().row("r1", seats=10, assigned=9)
    world.of("c1")("AvePointSeatsLow", "warning", (30,))
    world.fires("AvePointExporterDown", "critical", (110, 400))
    world = bench.world("lost")
    world.exporter(up=steps(True, (100, None))).customer().row("r1", seats=10, assigned=9)
    world.of("c1")("AvePointSeatsLow", "warning", (30, 459))
    world.fires("AvePointExporterDown", "critical", (110, 459))
    # While a target of the job is down it lasts for as long as that.
    world = bench.world("crash")
    world.exporter(up=steps(True, (100, None))).customer().row("r1", seats=10, assigned=9)
    world.exporter("b", up=steps(None, (200, False)), exports=False)
    world.of("c1")("AvePointSeatsLow", "warning", (30,))
    world.fires("AvePointExporterDown", "critical", (110,))

    # Removed by configuration: at once, and nobody is down. A partner of another exporter is not concerned.
    world = bench.world("removed")
    exporter = world.exporter(exports=steps(True, (200, False)))
    exporter.customer().row("r1", seats=10, assigned=9)
    world.of("c1")("AvePointSeatsLow", "warning", (30, 200))

    # Two exporters without a lease: b is refused from 100 on. It neither keeps old numbers nor a departed customer alive.
    world = bench.world("refused")
    for instance, good in (("a", True), ("b", steps(True, (100, False)))):
        exporter = world.exporter(instance, listing=good)
        exporter.customer("grows", read=good).row("r1", seats=10, assigned=steps(8, (120, 9)))
        exporter.customer("shrinks", read=good).row("r1", seats=10, assigned=steps(9, (120, 8)))
        exporter.customer("leaves", listed=steps(True, (120, False)), read=good).row("r1", seats=10, assigned=9)
    world.of("grows")("AvePointSeatsLow", "warning", (150,))
    world.of("shrinks")("AvePointSeatsLow", "warning", (30, 120))
    world.of("leaves")("AvePointSeatsLow", "warning", (30, 120))
    # a ends at 300 and b, which knows less, is alone: what a knew is kept.
    world = bench.world("alone")
    for instance, good, up in (("a", True, steps(True, (300, None))), ("b", steps(True, (100, False)), True)):
        exporter = world.exporter(instance, listing=good, up=up)
        exporter.customer("shrinks", read=good).row("r1", seats=10, assigned=steps(9, (120, 8)))
        exporter.customer("leaves", listed=steps(True, (120, False)), read=good).row("r1", seats=10, assigned=9)
    world.of("shrinks")("AvePointSeatsLow", "warning", (30, 120))
    world.of("leaves")("AvePointSeatsLow", "warning", (30, 120))
    world.of("shrinks", None, collector="services")("AvePointDataStale", "warning", (326,))
    # Different labels at both: one alert, of the same exporter all the time.
    world = bench.world("labels")
    for instance, skew in (("a", 0), ("b", -1)):
        world.exporter(instance, skew=skew).customer(labels={"tier": "bronze"}).row("r1", seats=10, assigned=9)
    world.of("c1", tier="bronze")("AvePointSeatsLow", "warning", (30,))
    # A clock that is an hour ahead until 200 does not make later answers old.
    world = bench.world("clock")
    world.exporter(skew=60, up=steps(True, (200, None))).customer().row("r1", seats=10, assigned=8)
    world.exporter("b", up=steps(None, (200, True))).customer().row("r1", seats=10, assigned=steps(8, (240, 9)))
    world.of("c1")("AvePointSeatsLow", "warning", (270,))


def weeks(bench):
    pass
