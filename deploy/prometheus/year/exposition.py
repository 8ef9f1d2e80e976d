"""The series of a world's exporters (names and labels as in docs/metrics.md), as `input_series` of promtool.

Only what rules may read: histograms, product counts and the process' own are left out.
"""

import collections

from timeline import Track, intersect, minus, union
from world import LIVE, as_of, discovers, knows, translate

COLLECTOR_STATES = ["fresh", "stale", "failing", "pending", "absent"]
NOTHING, ZERO = Track(), Track(0)


class Series:
    """All series of a world: name and labels to pieces of (start, end, value at the start, increase a step)."""

    def __init__(self):
        self.pieces = collections.defaultdict(list)

    def add(self, name, labels, start, end, value, increase=0):
        if value is not None and start < end:
            self.pieces[name, tuple(sorted(labels.items()))].append((start, end, value, increase))

    def rendered(self, steps):
        for (name, labels), pieces in sorted(self.pieces.items()):
            text = ",".join(f"{key}={quoted(value)}" for key, value in labels)
            yield f"{name}{{{text}}}", notation(sorted(pieces), steps)


def quoted(value):
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def number(value):
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def notation(pieces, steps):
    """promtool's compressed notation; where a series ends, Prometheus would mark it as stale."""
    tokens, now = [], 0
    for start, end, value, increase in pieces:
        if start < now:
            raise ValueError(f"two values at step {start}: {pieces[:4]}")
        if start > now:
            tokens += ["stale"] if now else ["_"]
            tokens += [f"_x{start - now - 1}"] if start - now > 1 else []
        count = min(end, steps) - start
        if count == 1:
            tokens.append(number(value))
        elif count > 1:
            tokens.append(f"{number(value)}{increase:+.10g}x{count - 1}" if increase else f"{number(value)}+0x{count - 1}")
        now = min(end, steps)
    if now < steps:
        tokens.append("stale")
    return " ".join(tokens)


def exposed(world):
    series = Series()
    for exporter in world.exporters:
        own(world, exporter, series)
        for partner, configured in exporter.partners.items():
            shown = intersect(exporter.visible, configured)
            expose_partner(world, exporter, partner, shown, series)
            for customer in world.customers:
                if customer.partner == partner:
                    expose_customer(world, exporter, customer, shown, series)
    return series


def own(world, exporter, series):
    """`up`, and what an exporter says of itself."""
    labels = exporter.labels
    for start, end in exporter.visible:
        series.add("up", labels, start, end, 1)
        series.add("avepoint_exporter_leading", labels, start, end, 1)
        series.add("avepoint_exporter_build_info", {**labels, "version": "0.1.0"}, start, end, 1)
    for start, end in exporter.down:
        series.add("up", labels, start, end, 0)
    name = "avepoint_exporter_config_last_reload_successful"
    for start, end in intersect(exporter.visible, exporter.reload_failed):
        series.add(name, labels, start, end, 0)
    for start, end in minus(exporter.visible, exporter.reload_failed):
        series.add(name, labels, start, end, 1)
    for life_start, life_end, _ in exporter.lives:
        series_of_life = intersect(exporter.visible, [(life_start, life_end)])
        for start, end in series_of_life:
            name = "avepoint_exporter_config_last_reload_success_timestamp_seconds"
            series.add(name, labels, start, end, life_start * world.step)
        # The state is saved whenever something was learnt, unless saving fails.
        learns = union(*(world.working(exporter, partner) for partner in exporter.partners))
        saved = minus(intersect(learns, [(life_start, life_end)]), exporter.saves_fail)
        name, last, now = "avepoint_exporter_state_last_save_timestamp_seconds", 0, life_start
        for start, end in saved:
            for a, b in intersect(series_of_life, [(now, start)]):
                series.add(name, labels, a, b, last * world.step)
            for a, b in intersect(series_of_life, [(start, end)]):
                series.add(name, labels, a, b, a * world.step, world.step)
            now, last = end, end - 1
        for a, b in intersect(series_of_life, [(now, life_end)]):
            series.add(name, labels, a, b, last * world.step)


def expose_partner(world, exporter, partner, shown, series):
    labels = {**exporter.labels, "partner": partner}
    works = world.working(exporter, partner)
    step = world.step
    for start, end in shown:
        for name, collector in world.collectors.items():
            of = {**labels, "collector": name}
            series.add("avepoint_collector_interval_seconds", of, start, end, collector.interval_seconds)
            series.add("avepoint_collector_max_age_seconds", of, start, end, collector.max_age)
    for start, end in intersect(shown, works):
        series.add("avepoint_up", labels, start, end, 1)
    for start, end in minus(shown, works):
        series.add("avepoint_up", labels, start, end, 0)
    expose_counts(world, exporter, partner, shown, series)
    counters(world, exporter, partner, shown, works, labels, series)
    for a, b, value in world.secret_expires.get(partner, NOTHING).pieces(0, world.steps):
        for start, end in intersect(shown, [(a, b)]):
            series.add("avepoint_auth_credential_expiration_timestamp_seconds", {**labels, "credential": "client_secret"}, start, end, value)
    for a, b, value in world.lag.get(partner, ZERO).pieces(0, world.steps):
        for start, end in intersect(shown, [(a, b)]):
            series.add("avepoint_poll_lag_seconds", labels, start, end, value)
    known, _ = discovers(world, exporter, partner)
    for start, end in shown:
        for a, b, value in known.pieces(start, end):
            if value is not None:
                at, increase = (a, step) if value == LIVE else (value, 0)
                series.add("avepoint_discovery_last_success_timestamp_seconds", labels, a, b, at * step, increase)


def expose_counts(world, exporter, partner, shown, series):
    """How many customers there are, and the targets by state; the service list is one target."""
    labels = {**exporter.labels, "partner": partner}
    known, failing = discovers(world, exporter, partner)
    customers = [customer for customer in world.customers if customer.partner == partner]
    count = [as_of(known, 0, world.steps, customer.listed) for customer in customers]
    for start, end, value in stacked(count, shown):
        series.add("avepoint_customers", labels, start, end, value)
    for name in world.collectors:
        states = {state: [] for state in COLLECTOR_STATES}
        if name == "services":
            add_states(world, exporter, known, failing, exporter.runs, name, states)
        else:
            for customer, listed in zip(customers, count):
                add_states(world, exporter, *knows(world, exporter, customer, name), listed, name, states)
        for state, spans in states.items():
            for start, end, value in stacked(spans, shown):
                of = {**labels, "collector": name, "state": state}
                series.add("avepoint_collector_targets", of, start, end, value)


def add_states(world, exporter, known, failing, present, name, states):
    """One target's state over time."""
    max_age = world.collectors[name].max_age // world.step
    stale = []
    for a, b, value in known.pieces(0, world.steps):
        if value not in (None, LIVE) and value + max_age + 1 < b:
            stale.append((max(a, value + max_age + 1), b))
    has_value = known.spans(world.steps, lambda value: value is not None)
    present = intersect(present, exporter.runs)
    stale = intersect(present, stale)
    failing = minus(intersect(present, failing), stale)
    states["stale"].append(stale)
    states["failing"].append(failing)
    states["pending"].append(minus(minus(present, has_value), failing))
    states["fresh"].append(minus(minus(intersect(present, has_value), failing), stale))


def stacked(lists, shown):
    """(start, end, number of the lists that have it) within the spans."""
    changes = collections.Counter()
    for spans in lists:
        for start, end in spans:
            changes[start] += 1
            changes[end] -= 1
    edges, level = [], 0
    for at in sorted(changes):
        if changes[at]:
            edges.append((at, level := level + changes[at]))
    for start, end in shown:
        now, value = start, 0
        for at, level in edges:
            if at <= now:
                value = level
            elif at < end:
                yield now, at, value
                now, value = at, level
        yield now, end, value


def counters(world, exporter, partner, shown, works, labels, series):
    """Polls, failures, tokens, throttling and unreadable values: they begin at 0 with each process."""
    per_step = {name: max(1, round(world.step / collector.interval_seconds)) for name, collector in world.collectors.items()}
    for life_start, life_end, _ in exporter.lives:
        life = [(life_start, life_end)]
        bad = minus(intersect(life, exporter.partners[partner]), works)
        refused = intersect(life, exporter.refused)
        visible = intersect(shown, life)
        for name, rate in per_step.items():
            of = {**labels, "collector": name}
            climb(series, "avepoint_collector_polls_total", of, visible, life, rate, life_start)
            # An outage shows itself by one reason, then by another.
            parts = {"connect": [], "timeout": [], "unauthorized": intersect(bad, refused)}
            for start, end in minus(bad, refused):
                middle = (start + end) // 2
                parts["connect"].append((start, middle))
                parts["timeout"].append((middle, end))
            for reason, spans in parts.items():
                climb(series, "avepoint_collector_poll_failures_total", {**of, "reason": reason}, visible, spans, rate, life_start)
        token = {**labels, "scope": "license"}
        climb(series, "avepoint_auth_token_requests_total", token, visible, life, 1, life_start)
        climb(series, "avepoint_auth_token_request_failures_total", {**token, "reason": "unauthorized"}, visible, refused, 1, life_start)
        # A token lives an hour; the last one was got when requests still succeeded.
        for start, end in intersect(visible, works):
            series.add("avepoint_auth_token_expiration_timestamp_seconds", token, start, end, start * world.step + 3600, world.step)
        for start, end in minus(visible, works):
            before = max((b for a, b in works if life_start <= a and b <= start), default=None)
            if before is not None:
                series.add("avepoint_auth_token_expiration_timestamp_seconds", token, start, end, (before - 1) * world.step + 3600)
        throttled = intersect(world.throttled.get(partner, []), life)
        climb(series, "avepoint_api_throttled_seconds_total", labels, visible, throttled, world.step, life_start)
        for start, end in visible:
            for a, b in intersect(throttled, [(start, end)]):
                series.add("avepoint_api_throttled", labels, a, b, 1)
            for a, b in minus([(start, end)], throttled):
                series.add("avepoint_api_throttled", labels, a, b, 0)
        odd = [(at, at + 1) for at in world.unreadable.get(partner, []) if life_start < at < life_end]
        climb(series, "avepoint_unreadable_values_total", {**labels, "field": "purchasedUserSeats"}, visible, odd, 1, life_start)


def climb(series, name, labels, visible, growing, rate, origin):
    """A counter that is 0 at the origin and grows within the spans."""
    total, now = 0, origin
    parts = []
    for start, end in growing:
        parts.append((now, start, total, 0))
        parts.append((start, end, total + rate, rate))
        total += rate * (end - start)
        now = end
    parts.append((now, float("inf"), total, 0))
    for a, b, value, increase in parts:
        for start, end in intersect([(a, b)], visible):
            series.add(name, labels, start, end, value + increase * (start - a), increase)


def expose_customer(world, exporter, customer, shown, series):
    partner = customer.partner
    discovered, _ = discovers(world, exporter, partner)
    services, _ = knows(world, exporter, customer, "services")
    member = intersect(shown, as_of(discovered, 0, world.steps, customer.listed))
    for start, end, labels in configured(world, exporter, customer, member, services):
        span = [(start, end)]
        for a, b, name in translate(services, customer.name, start, end):
            series.add("avepoint_customer_info", {**labels, "customer_name": name}, a, b, 1)
        for collector in world.collectors:
            known = services if collector == "services" else knows(world, exporter, customer, collector)[0]
            for a, b, value in known.pieces(start, end):
                if value is not None:
                    at, increase = (a, world.step) if value == LIVE else (value * 1, 0)
                    of = {**labels, "collector": collector}
                    series.add("avepoint_collector_last_success_timestamp_seconds", of, a, b, at * world.step, increase)
        served = intersect(span, recent(world, services, "services"))
        for row in customer.rows:
            expose_row(row, labels, services, intersect(served, as_of(services, 0, world.steps, row.listed or customer.listed)), series)
        tenants, _ = knows(world, exporter, customer, "tenant_seats")
        served = intersect(span, recent(world, tenants, "tenant_seats"))
        for tenant in customer.tenants:
            of = {**labels, "tenant_type": tenant.type, "tenant_id": tenant.id}
            for a, b in served:
                series.add("avepoint_tenant_info", {**of, "tenant_name": tenant.id + ".example"}, a, b, 1)
                for name, track in [("assigned", tenant.assigned), ("available", tenant.available)]:
                    for c, d, value in translate(tenants, track, a, b):
                        series.add(f"avepoint_tenant_seats_{name}", of, c, d, value)


def recent(world, known, collector):
    """Where a value is no older than its `max_age`."""
    max_age = world.collectors[collector].max_age // world.step
    found = []
    for a, b, value in known.pieces(0, world.steps):
        if value == LIVE:
            found.append((a, b))
        elif value is not None:
            found.append((a, min(b, value + max_age + 1)))
    return union(found)


def configured(world, exporter, customer, member, services):
    """(start, end, labels) of a customer's series."""
    base = {**exporter.labels, "partner": customer.partner, "customer_id": customer.id}
    for start, end in member:
        late = exporter.labels_late
        parts = [(max(a + late, start), min(b + late, end), pairs) for a, b, pairs in customer.labels.pieces(max(start - late, 0), end)]
        if parts and parts[0][0] > start:
            parts.insert(0, (start, parts[0][0], customer.labels.at(0)))
        for a, b, pairs in parts:
            if not world.name_label:
                yield a, b, {**base, **dict(pairs)}
                continue
            for c, d, name in translate(services, customer.name, a, b):
                yield c, d, {**base, **dict(pairs), "customer_name": name}


def expose_row(row, labels, services, served, series):
    of = {**labels, "subscription_id": row.id, "service_name": row.service}
    info = {**of, "subscription_model": row.model, "storage": "AvePoint storage", "source": "AvePoint subscription", "payment_type": "Prepaid"}
    tracks = {
        "seats_purchased": row.seats,
        "microsoft_licenses_assigned": row.assigned,
        "expiration_timestamp_seconds": row.expires,
        "contract_end_timestamp_seconds": row.contract,
        "capacity_purchased_bytes": row.capacity,
        "capacity_used_bytes": row.used,
        "capacity_protected_bytes": row.protected,
    }
    for start, end in served:
        series.add("avepoint_subscription_info", info, start, end, 1)
        series.add("avepoint_subscription_capacity_per_seat_bytes", of, start, end, row.per_seat)
        for name, track in tracks.items():
            if track is not None:
                for a, b, value in translate(services, track, start, end):
                    series.add(f"avepoint_subscription_{name}", of, a, b, value)
