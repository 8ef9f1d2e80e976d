"""Leaders and standbys of a lease: take-overs, none of them that leads, two of them."""

from world import DAY, steps

LEASE = "avepoint-exporter"


def hours(bench):
    takes_over(bench)
    leads(bench)


def weeks(bench):
    pass


def taken_over(bench, name, first, second, polls=True, read=True, **started):
    """A world of a pair with `a` and `b` so, and customers whose alerts no take-over may end, double or delay."""
    world = bench.world(name)
    a = world.exporter("a", lease=LEASE, **first)
    b = world.exporter("b", lease=LEASE, **second, **started)
    for exporter, polled in ((a, polls), (b, True)):
        contoso = exporter.customer(name="Contoso", labels={"tier": "silver"}, polls=polled, read=read)
        contoso.row("r1", seats=10, assigned=9, expires=20 * DAY).tenant("t1", 5, 0)
        contoso.status("failed").plan("Daily", (-60, "failed", 0), (50, "failed", 0))
        # Polled with 9 seats at 90: pending when the leader goes, and due at 120.
        exporter.customer("grows", polls=polled, read=read).row("r1", seats=10, assigned=steps(8, (85, 9)))
    world.of(tier="silver")("AvePointSeatsLow", "warning", (30,))
    world.of(tier="silver", subscription_id="r1")("AvePointSubscriptionExpiring", "info", (30,))
    for alert in ("Exhausted", "Low"):
        world.of("c1", None, tier="silver", tenant_id="t1", tenant_type="microsoft365")(f"AvePointTenantSeats{alert}", "info", (120,))
    world.of("c1", None, tier="silver")("AvePointBackupFailed", "warning", (120,))
    world.of("c1", None, tier="silver", plan="Daily", job_type="1", job_module="4")("AvePointBackupJobErrors", "warning", (180,))
    world.of("grows")("AvePointSeatsLow", "warning", (120,))
    return world


def serves(*changes):
    """Leads, and so exports; a standby exports itself only."""
    return {"leads": steps(*changes), "exports": steps(*changes)}


def takes_over(bench):
    # The leader crashes at 100 and comes back as the standby; the other one leads from 104 on, without its state.
    first = {"up": steps(True, (100, False), (300, True))} | serves(True, (300, False))
    pending = {"services": {"pending": steps(0, (104, 2), (106, 0)), "fresh": steps(2, (104, 0), (106, 2))}}
    world = taken_over(bench, "crash_of_leader", first, serves(False, (104, True)), starts=(106,), targets=pending)
    world.fires("AvePointReplicaDown", "warning", (114, 300), job="avepoint_crash_of_leader")
    # It resigns, as for an upgrade, and is back a minute later; then the other one does.
    first = {"up": steps(True, (100, False), (101, True))} | serves(True, (100, False), (200, True))
    second = {"up": steps(True, (199, False), (201, True))} | serves(False, (101, True), (199, False))
    taken_over(bench, "resigns", first, second)
    # It is stopped and goes on half an hour later: for two minutes it exports what it knew, until it sees the other one.
    first = {"up": steps(True, (100, False), (130, True), (132, False), (133, True))} | serves(True, (133, False))
    world = taken_over(bench, "frozen", first, serves(False, (101, True)), polls=lambda time: time < 100)
    world.fires("AvePointReplicaDown", "warning", (111, 130), job="avepoint_frozen")
    for exporter, polls in zip(world.exporters, (lambda time: time < 100, True), strict=True):
        exporter.customer("shrinks", polls=polls).row("r1", seats=10, assigned=steps(9, (110, 8)))
    world.of("shrinks")("AvePointSeatsLow", "warning", (30, 120))
    # The engine is away from 100 to 200: the leader polls no more, and serves what it knows until the other one leads.
    away = steps(True, (100, False), (200, True))
    first = {"leads": steps(True, (100, False)), "exports": steps(True, (200, False))}
    world = taken_over(bench, "engine_away", first, serves(False, (200, True)), read=away)
    world.fires("AvePointNoLeader", "critical", (105, 200), job="avepoint_engine_away", lease=LEASE)
    world.of("grows", None, collector="services")("AvePointDataStale", "warning", (131, 210))
    for collector, during in (("services", (131, 210)), ("customers", (131, 210)), ("tenant_seats", (191, 240)), ("backup_jobs", (191, 240))):
        world.of("c1", None, collector=collector, tier="silver")("AvePointDataStale", "warning", during)
    # Both are standbys, and nobody exports the partner.
    world = taken_over(bench, "nobody_leads", serves(True, (100, False)), serves(False, (120, True)))
    world.fires("AvePointNoLeader", "critical", (105, 120), job="avepoint_nobody_leads", lease=LEASE)
    world.fires("AvePointExporterDown", "critical", (110, 120))


    # The leader is restarted and is the next leader as well; it leads from 104 on, and takes 3 minutes to read its state.
    first = {"up": steps(True, (100, False), (102, True)), "leads": steps(True, (100, False), (104, True)), "exports": steps(True, (100, False), (107, True))}
    taken_over(bench, "reads_state", first, serves(False))


def leads(bench):
    # None for not quite 5 minutes; two of them as long, and then for longer. Two exporters poll the same, and say it once.
    world = bench.world("leaders")
    changes = {"a": (True, (100, False), (105, True), (404, False)), "b": (False, (200, True), (205, False), (300, True))}
    for instance, leading in changes.items():
        exporter = world.exporter(instance, leads=steps(*leading), lease=LEASE)
        exporter.customer().row("r1", seats=10, assigned=9)
    world.of()("AvePointSeatsLow", "warning", (30,))
    world.fires("AvePointTwoLeaders", "warning", (305, 404), job="avepoint_leaders", lease=LEASE)
    text = (
        "2 exporters of job avepoint_leaders have led by the lease avepoint-exporter for 5 minutes. Each of them polls, so the API is asked "
        "more often than planned; the values stay right, since the newest is believed."
    )
    labels = {"severity": "warning", "job": "avepoint_leaders", "lease": LEASE}
    world.says(305, "AvePointTwoLeaders", (labels, None, "2 exporters lead by the lease avepoint-exporter at once", text))

    # Two releases in one job, told apart by their leases, and a third one of the same name in another namespace; the second
    # one has no leader from 200 to 300, and nobody exports its partner. Then one exporter of the first is down.
    world = bench.world("releases")
    for instance, lease, namespace, more in (
        ("a", "one", "x", {}),
        ("b", "one", "x", serves(False) | {"up": steps(True, (400, False))}),
        ("c", "two", "x", serves(True, (200, False), (300, True))),
        ("d", "two", "x", serves(False)),
        ("e", "two", "y", {}),
        ("f", "two", "y", serves(False)),
    ):
        partner = f"releases_{lease}_{namespace}"
        exporter = world.exporter(instance, lease=lease, namespace=namespace, partner=partner, **more)
        exporter.customer().row("r1", seats=10, assigned=9)
        if instance in "ace":
            world.of(partner=partner)("AvePointSeatsLow", "warning", (30,))
    world.fires("AvePointNoLeader", "critical", (205, 300), job="avepoint_releases", lease="two")
    world.fires("AvePointExporterDown", "critical", (210, 300), partner="releases_two_x")
    world.fires("AvePointReplicaDown", "warning", (410,), job="avepoint_releases")

    # One alone that has a lease and does not get it: it has never exported anything.
    world = bench.world("waits")
    world.exporter(lease=LEASE, **serves(False, (60, True)))
    world.fires("AvePointNoLeader", "critical", (5, 60), job="avepoint_waits", lease=LEASE)
    text = (
        "1 exporter of job avepoint_waits can be scraped, and none has held the lease avepoint-exporter for 5 minutes: nothing is polled. "
        "Alerts about customers go on from the last known values."
    )
    labels = {"severity": "critical", "job": "avepoint_waits", "lease": LEASE}
    world.says(30, "AvePointNoLeader", (labels, None, "No avepoint_exporter of the lease avepoint-exporter leads", text))
