"""What the alerts about partners and exporters ought to do in a world; see oracle.py."""

from oracle import exported
from timeline import inside, intersect, minus, union
from world import DAY, HOUR, discovers, knows


def exporters_truths(world, truths):
    everything = [(0, world.steps)]
    up = union(*(exporter.visible for exporter in world.exporters))
    job = world.exporters[0].labels["job"]
    truths.add("AvePointExporterDown", {"severity": "critical"}, minus(everything, up))
    down = union(*(intersect(exporter.down, others_up(world, exporter)) for exporter in world.exporters))
    truths.add("AvePointReplicaDown", {"job": job, "severity": "warning"}, down)
    for exporter in world.exporters:
        about_exporter(world, exporter, truths)
    for partner in world.partners:
        about_partner(world, partner, up, truths)


def others_up(world, exporter):
    return union(*(other.visible for other in world.exporters if other is not exporter))


def about_exporter(world, exporter, truths):
    ids = {"job": exporter.labels["job"], "instance": exporter.labels["instance"]}
    gone = minus([(0, world.steps)], exporter.visible)
    truths.add("AvePointConfigReloadFailed", {**ids, "severity": "warning"}, intersect(exporter.visible, exporter.reload_failed))
    hour = HOUR // world.step
    failing = [(start + hour, end) for start, end in exporter.saves_fail if end - start > hour]
    learns = union(*(world.working(exporter, partner) for partner in exporter.partners))
    truths.add("AvePointStateNotSaved", {**ids, "severity": "warning"}, intersect(intersect(exporter.visible, failing), learns))
    soft(truths, ids, [(start, end + hour + 1) for start, end in gone])
    # While nothing is learnt, the file may be old: for an hour it is open whether that is said.
    unlearnt = minus(exporter.visible, learns)
    soft(truths, {**ids, "alertname": "AvePointStateNotSaved"}, intersect([(a, b + hour + 1) for a, b in unlearnt], exporter.saves_fail))


def soft(truths, labels, spans):
    truths.soft[tuple(sorted(labels.items()))] += spans


def about_partner(world, partner, up, truths):
    ids = {"partner": partner}
    shown = exported(world, partner)
    first = shown[0][0] if shown else world.steps
    known_lost = union(world.untargeted(), removed_after(world, partner))
    absent = minus(intersect(minus([(first, world.steps)], shown), up), known_lost)
    truths.add("AvePointExporterDown", {**ids, "severity": "critical"}, absent)

    serving = [exporter for exporter in world.exporters if partner in exporter.partners]
    works = union(*(intersect(exporter.visible, world.working(exporter, partner)) for exporter in serving))
    not_working = minus(shown, works)
    hidden = [(start, end + 1) for start, end in minus([(0, world.steps)], shown)]
    day = DAY // world.step
    for name in world.collectors:
        some, all_of_them = failing_targets(world, partner, name, serving)
        some, all_of_them = intersect(some, shown), intersect(all_of_them, shown)
        # A restart in the middle is no end of it, unless it lasts so long that nothing is known of the time before.
        gaps = [gap for gap in minus([(0, world.steps)], shown) if not intersect([gap], known_lost)]
        some = union(some, [gap for gap in gaps if inside(some, gap[0] - 1) and inside(some, gap[1])])
        truths.add("AvePointTargetsFailing", {**ids, "collector": name, "severity": "warning"}, [(a + day, b) for a, b in some if b - a > day])
        truths.add("AvePointCollectorFailing", {**ids, "collector": name, "severity": "critical"}, all_of_them)
        # Who is hidden may be listened to as last known.
        for start, end in some:
            after = [span for span in hidden if start <= span[0] <= end + 1]
            soft(truths, {**ids, "collector": name}, after)
    truths.add("AvePointTokenRefused", {**ids, "severity": "critical"}, refused_for_good(world, serving, not_working))
    alone = union(*(exporter.refused for exporter in serving))
    if len(serving) > 1:
        soft(truths, {**ids, "alertname": "AvePointTargetsFailing"}, [(a, b + 1) for a, b in alone])
        soft(truths, {**ids, "alertname": "AvePointTokenRefused"}, [(a, b + 2 * HOUR // world.step) for a, b in alone])
    shortest = min(collector.interval_seconds for collector in world.collectors.values())
    if partner in world.lag:
        late = world.lag[partner].spans(world.steps, lambda value: value > 2 * shortest)
        truths.add("AvePointPollingBehind", {**ids, "severity": "warning"}, intersect(late, shown))
    if partner in world.secret_expires:
        credential(world, partner, shown, hidden, truths)
    half = 900 // world.step
    for start, end in world.throttled.get(partner, []):
        if end - start > half:
            truths.add("AvePointApiThrottled", {**ids, "severity": "warning"}, [(start + half, end + half)])
        soft(truths, {**ids, "alertname": "AvePointApiThrottled"}, [(start, start + half), (end, end + 2 * half + 2)])
    for at in world.unreadable.get(partner, []):
        labels = {**ids, "field": "purchasedUserSeats", "severity": "info"}
        truths.add("AvePointUnreadableValues", labels, intersect([(at, at + HOUR // world.step)], shown))
        soft(truths, {**ids, "alertname": "AvePointUnreadableValues"}, [(at, at + 2 * HOUR // world.step)])
    for alert in ("PollingBehind", "CredentialExpiring", "ApiThrottled", "TokenRefused", "UnreadableValues"):
        soft(truths, {**ids, "alertname": f"AvePoint{alert}"}, hidden)


def removed_after(world, partner):
    """Once an exporter that served the partner is up without it, nobody misses the partner."""
    found = []
    for exporter in world.exporters:
        spans = exporter.partners.get(partner, [])
        if spans:
            found += [(start, world.steps) for start, _ in minus(intersect(exporter.visible, [(spans[0][0], world.steps)]), spans)]
    return minus(union(found), exported(world, partner))


def failing_targets(world, partner, collector, serving):
    """Where some, and where all targets of a collector fail with every exporter that is seen; the service list is one."""
    everything = [(0, world.steps)]
    some = all_of_them = everything
    for exporter in serving:
        hidden = minus(everything, exporter.visible)
        if collector == "services":
            one = every = discovers(world, exporter, partner)[1]
        else:
            customers = [customer for customer in world.customers if customer.partner == partner]
            failing = [(knows(world, exporter, customer, collector)[1], customer.listed) for customer in customers]
            one, every = union(*(intersect(*each) for each in failing)), everything
            for spans, listed in failing:
                every = intersect(every, union(spans, minus(everything, listed)))
        some, all_of_them = intersect(some, union(one, hidden)), intersect(all_of_them, union(every, hidden))
    return some, all_of_them


def refused_for_good(world, serving, not_working):
    """All exporters are refused, and the last token's hour has passed."""
    refused = not_working
    for exporter in serving:
        refused = intersect(refused, union(exporter.refused, minus([(0, world.steps)], exporter.visible)))
    hour = HOUR // world.step
    return [(start + hour, end) for start, end in refused if end - start > hour]


def credential(world, partner, shown, hidden, truths):
    for start, end, date in world.secret_expires[partner].pieces(0, world.steps):
        for severity, days in (("warning", 30), ("critical", 7)):
            begins = -(-(date - days * DAY) // world.step)
            labels = {"partner": partner, "credential": "client_secret", "severity": severity}
            truths.add("AvePointCredentialExpiring", labels, intersect([(max(start, int(begins)), end)], shown))
