"""Compares the alerts that fired with the truth: what was missed, what was wrong, what was twice at once, and how late it came."""

import collections
import dataclasses

from timeline import inside, intersect, minus, union

IDENTITY = {
    *("partner", "customer_id", "service_name", "tenant_id", "tenant_type", "subscription_id", "severity"),
    *("collector", "credential", "field"),
}
OF_EXPORTERS = {"AvePointConfigReloadFailed", "AvePointStateNotSaved"}
OF_JOBS = {"AvePointReplicaDown"}
# `for` that the description allows, in seconds: two polls of what decides (services 15m, tenant_seats 1h), or its own.
WAIT, WAITS = 1800, {"AvePointTenantSeatsExhausted": 7200, "AvePointTenantSeatsLow": 7200, "AvePointTargetsFailing": 0}
QUICK = ["DataStale", "ExporterDown", "ReplicaDown", "ApiThrottled", "TokenRefused", "CredentialExpiring", "ConfigReloadFailed"]
WAITS |= {f"AvePoint{name}": 600 for name in [*QUICK, "StateNotSaved", "UnreadableValues"]}
FORBIDDEN = {"job", "instance", "pod", "node", "container", "endpoint", "namespace", "service", "customer_name"}


def ends_within(world):
    """Steps after its end at which an alert may still be there: a scrape and an evaluation."""
    return 2 if world.step <= 60 else 1


@dataclasses.dataclass
class Score:
    events: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    fired: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    missed: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)
    doubled: list = dataclasses.field(default_factory=list)
    delays: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))  # seconds by alert

    def add(self, other):
        self.events += other.events
        self.fired += other.fired
        self.missed += other.missed
        self.wrong += other.wrong
        self.doubled += other.doubled
        for alert, delays in other.delays.items():
            self.delays[alert] += delays

    @property
    def recall(self):
        return 1 - len(self.missed) / max(sum(self.events.values()), 1)

    @property
    def precision(self):
        return 1 - (len(self.wrong) + len(self.doubled)) / max(sum(self.fired.values()), 1)


def identity(labels):
    names = set(IDENTITY)
    if labels["alertname"] in OF_EXPORTERS:
        names |= {"job", "instance"}
    if labels["alertname"] in OF_JOBS:
        names |= {"job"}
    return labels["alertname"], tuple(sorted((name, value) for name, value in labels.items() if name in names))


def score(world, truths, alerts):
    result = Score()
    fired = collections.defaultdict(list)
    for alert in alerts:
        fired[identity(alert.labels)].append(alert)
        result.fired[alert.labels["alertname"]] += 1
        about_partner = "partner" in alert.labels
        odd = sorted(FORBIDDEN & set(alert.labels)) if about_partner else []
        if odd:
            result.wrong.append((world.name, *identity(alert.labels), [(alert.start, alert.end)], f"labels {odd}"))
    true = {key: union(spans) for key, spans in truths.spans.items()}
    for key in sorted(set(true) | set(fired)):
        compare(world, key, true.get(key, []), truths, fired.get(key, []), result)
    return result


def compare(world, key, true, truths, fired, result):
    name, labels = key
    after = ends_within(world)
    late = -(-WAITS.get(name, WAIT) // world.step) + 1
    have = {*labels, ("alertname", name)}
    soft = union([span for of, spans in truths.soft.items() if set(of) <= have for span in spans])
    there = union([(alert.start, alert.end) for alert in fired])
    open_to = union([(start, end + late) for start, end in soft])
    for start, end in true:
        wanted = minus([(start + late, end)], open_to)
        seen = intersect(there, [(start, end)])
        if not wanted and not seen:
            continue
        result.events[name] += 1
        gaps = minus(wanted, there)
        if gaps:
            result.missed.append((world.name, name, labels, gaps, f"true {start}..{end}"))
        elif seen and not inside(soft, start):
            result.delays[name].append((seen[0][0] - start) * world.step)
    allowed = union([(start, end + after) for start, end in true], [(start, end + after) for start, end in soft])
    for start, end in there:
        wrong = minus([(start, end)], allowed)
        if wrong:
            near = [span for span in true if span[0] <= end and span[1] >= start]
            result.wrong.append((world.name, name, labels, wrong, f"fired {start}..{end}, true {near}"))
    ordered = sorted(fired, key=lambda alert: alert.start)
    for before, after in zip(ordered, ordered[1:]):
        if after.start < before.end:
            result.doubled.append((world.name, name, labels, [(after.start, before.end)], "twice at once"))
