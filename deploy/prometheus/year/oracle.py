"""What the alerts about customers ought to do in a world: written from the description of the alerts, not from the rules.

A truth is (alert, identifying labels): the spans in which its condition holds for what Prometheus could know. `for` and the
time between two evaluations are the score's business, see score.py.
"""

import collections
import fractions
import re

from timeline import Track, inside, intersect, minus, union
from world import DAY, HOUR, LIVE, as_of, discovers, knows

NOT_SEATS = re.compile(r"(?i).*(unlimited users|gb/user/year).*")
UNLIMITED = float("inf")
EXPIRING = {"info": 30, "warning": 14, "critical": 3}
EXPIRED = {"critical": 15, "warning": 30}
LEAD_DAYS = (60, 45, 30, 14, 3, 0, -15, -30)


class Truths:
    def __init__(self):
        self.spans = collections.defaultdict(list)
        self.soft = collections.defaultdict(list)  # where an alert may be or not be; the key may lack labels

    def add(self, alert, labels, spans):
        self.spans[alert, tuple(sorted(labels.items()))] += spans


def exported(world, partner):
    """Where some exporter that Prometheus can scrape has the partner."""
    return union(*(intersect(exporter.visible, exporter.partners.get(partner, [])) for exporter in world.exporters))


def believed(world, partner, known_by):
    """As of when Prometheus knows something that each exporter knows as of `known_by`: the newest counts, and is kept."""
    lost = union(world.untargeted(), removed(world, partner))
    steps = {0, *(step for span in lost for step in span)}
    shown = []
    for exporter, known in known_by:
        spans = intersect(exporter.visible, exporter.partners.get(partner, []))
        shown.append((spans, known))
        steps.update(known.steps, *spans)
    merged, last = Track(), None
    for step in sorted(step for step in steps if step < world.steps):
        if last == LIVE:
            last = step - 1
        if inside(lost, step):
            last = None
        for spans, known in shown:
            value = known.at(step) if inside(spans, step) else None
            if value == LIVE or last == LIVE:
                last = LIVE
            elif value is not None:
                last = value if last is None else max(last, value)
        merged.set(step, last)
    return merged


def removed(world, partner):
    """Where an exporter that served a partner is up and no longer has it, and no other has it."""
    gone = []
    for exporter in world.exporters:
        spans = exporter.partners.get(partner, [])
        if spans:
            gone += minus(intersect(exporter.visible, [(spans[0][0], world.steps)]), spans)
    return minus(union(gone), exported(world, partner))


def customers_truths(world):
    truths = Truths()
    for partner in world.partners:
        known_by = [(exporter, discovers(world, exporter, partner)[0]) for exporter in world.exporters if partner in exporter.partners]
        discovered = believed(world, partner, known_by)
        for customer in world.customers:
            if customer.partner == partner:
                member = as_of(discovered, 0, world.steps, customer.listed)
                CustomerTruths(world, customer, member, truths).find()
    return truths


class CustomerTruths:
    def __init__(self, world, customer, member, truths):
        self.world, self.customer, self.truths, self.member = world, customer, truths, member
        self.ids = {"partner": customer.partner, "customer_id": customer.id}
        self.day = DAY // world.step
        self.known = {name: self.merged(name) for name in world.collectors}
        self.muted = customer.labels.spans(world.steps, lambda pairs: ("alerting", "off") in pairs)
        self.on = collections.defaultdict(list)  # (alert, labels): steps at which it is true, and the next

    def merged(self, collector):
        exporters = [exporter for exporter in self.world.exporters if self.customer.partner in exporter.partners]
        known_by = [(exporter, knows(self.world, exporter, self.customer, collector)[0]) for exporter in exporters]
        return believed(self.world, self.customer.partner, known_by)

    def find(self):
        self.subscriptions()
        self.tenants()
        self.stale()
        for (alert, labels), spans in self.on.items():
            spans = minus(intersect(union(spans), self.member), self.muted)
            if spans:
                self.truths.add(alert, {**dict(labels), **self.ids}, spans)
        self.labels_change()

    def true(self, alert, start, end, **labels):
        self.on[alert, tuple(sorted(labels.items()))].append((start, end))

    def labels_change(self):
        """From a change of configured labels until every exporter has it, an alert may be there or not."""
        late = max(exporter.labels_late for exporter in self.world.exporters)
        for step in self.customer.labels.steps[1:]:
            seen = [a for a, b in exported(self.world, self.customer.partner) if b > step + late]
            shown = max(step + late, seen[0]) if seen else self.world.steps
            self.truths.soft[tuple(sorted(self.ids.items()))].append((step, shown + 1))

    def breakpoints(self, known, tracks, spans):
        steps = {0, *known.steps, *(step for span in self.member for step in span)}
        for track in tracks:
            steps.update(track.steps)
        for span in spans:
            steps.update(span)
        return steps

    def pieces(self, known, steps):
        """(start, end, as of) between breakpoints, where something is known."""
        ordered = sorted(step for step in steps if 0 <= step < self.world.steps)
        for start, end in zip(ordered, ordered[1:] + [self.world.steps]):
            value = known.at(start)
            if value is not None and inside(self.member, start):
                yield start, end, start if value == LIVE else value

    # ---- Subscriptions ----

    def subscriptions(self):
        rows, known = self.customer.rows, self.known["services"]
        tracks = [t for row in rows for t in (row.seats, row.assigned, row.expires, row.contract, row.capacity, row.used, row.protected) if t]
        steps = self.breakpoints(known, tracks, [span for row in rows for span in row.listed or []])
        for row in rows:
            for date in {value for track in (row.expires, row.contract) for value in track.values if value is not None}:
                for days in LEAD_DAYS:
                    at = -(-(date - days * DAY) // self.world.step)
                    steps.update((int(at), int(at) + 1))
        headroom = collections.defaultdict(Track)
        for start, end, seen in self.pieces(known, steps):
            by_service = collections.defaultdict(list)
            for row in rows:
                if inside(row.listed or self.customer.listed, seen):
                    by_service[row.service].append(row)
            now = start * self.world.step
            for service, listed in by_service.items():
                running = [row for row in listed if row.expires.at(seen) is None or row.expires.at(seen) > now]
                seats = Seats(running, seen)
                self.seats(service, seats, running, seen, now, start, end)
                headroom[service].set(start, seats.headroom)
                headroom[service].set(end, None)
                self.expiring(service, listed, running, seen, now, start, end)
                self.capacity(service, running, seen, start, end)
                for row in listed:
                    ends = row.contract.at(seen)
                    if ends is not None and -30 * DAY < ends - now <= 60 * DAY:
                        self.true("AvePointContractEnding", start, end, service_name=service, subscription_id=row.id, severity="info")
        for service, track in headroom.items():
            self.over_for_long(service, track)
            self.forecast(service, track)

    def seats(self, service, seats, running, seen, now, start, end):
        if seats.headroom is None:
            return

        def true(name, severity):
            self.true(name, start, end, service_name=service, severity=severity)

        if seats.assigned >= fractions.Fraction(9, 10) * seats.purchased:
            true("AvePointSeatsLow", "warning")
        if seats.headroom <= 0:
            true("AvePointSeatsExhausted", "warning")
        if seats.headroom < 0:
            true("AvePointSeatsOverAssigned", "warning")
        if seats.assigned > fractions.Fraction(11, 10) * seats.purchased:
            true("AvePointSeatsOverAssigned", "critical")
        dates = [date for row in running for date in (row.expires.at(seen), row.contract.at(seen)) if date is not None]
        ending = any(0 < date - now <= 45 * DAY for date in dates)
        if 0 < seats.assigned < fractions.Fraction(7, 10) * seats.purchased and seats.headroom >= 5 and ending:
            true("AvePointSeatsUnused", "info")

    def expiring(self, service, listed, running, seen, now, start, end):
        def true(name, row, severity):
            self.true(name, start, end, service_name=service, subscription_id=row.id, severity=severity)

        expired = []
        if not running and listed:
            latest = max(row.expires.at(seen) for row in listed)
            expired = [row for row in listed if row.expires.at(seen) == latest and now < latest + 30 * DAY]
            for row in expired:
                for severity, days in EXPIRED.items():
                    if now < latest + days * DAY:
                        true("AvePointSubscriptionExpired", row, severity)
                for severity in EXPIRING:
                    true("AvePointSubscriptionExpiring", row, severity)
        for severity, days in EXPIRING.items():
            within = [row for row in running if row.expires.at(seen) is not None and row.expires.at(seen) - now <= days * DAY]
            beyond = [row for row in running if row not in within]
            seats = [row.seats.at(seen) for row in within if row.seats and row.seats.at(seen) is not None]
            after = [row.seats.at(seen) for row in beyond if row.seats and row.seats.at(seen) is not None]
            if beyond and (not seats or (after and sum(after) >= sum(seats))):
                continue
            for row in within:
                true("AvePointSubscriptionExpiring", row, severity)

    def capacity(self, service, running, seen, start, end):
        limits, uses = [], []
        for row in running:
            seats = row.seats.at(seen) if row.seats else None
            limit = row.per_seat * seats if row.per_seat and seats is not None else row.capacity.at(seen)
            limits += [limit] if limit is not None and (seats is not None or not row.per_seat) else []
            use = row.protected.at(seen) or row.used.at(seen)
            uses += [use] if use is not None else []
        limit, use = sum(limits), sum(uses)
        if not uses or limit in (0, UNLIMITED):
            return
        if use >= fractions.Fraction(9, 10) * limit:
            self.true("AvePointCapacityLow", start, end, service_name=service, severity="warning")
        if use >= limit:
            self.true("AvePointCapacityLow", start, end, service_name=service, severity="critical")

    def over_for_long(self, service, headroom):
        for start, end in headroom.spans(self.world.steps, lambda value: value is not None and value < 0):
            if start + 25 * self.day < end:
                self.true("AvePointSeatsOverAssigned", start + 25 * self.day, end, service_name=service, severity="critical")

    def forecast(self, service, headroom):
        """The trend over the longest whole number of days of 7 to 3 for which there is a value."""
        pairs = list(zip(headroom.values, headroom.values[1:], headroom.steps[1:]))
        drops = [step for before, after, step in pairs if None not in (before, after) and after < before]
        hour = HOUR // self.world.step
        steps = {step + days * self.day for step in headroom.steps for days in (0, 3, 4, 5, 6, 7, 14)}
        steps |= {step + hour for step in steps}
        ordered = sorted(step for step in steps if step < self.world.steps)
        active, ended = False, 0
        for start, end in zip(ordered, ordered[1:] + [self.world.steps]):
            left = headroom.at(start)
            if left is None:
                active, ended = False, 0
                continue
            many = sum(start - 14 * self.day < step <= start for step in drops) >= 2
            days_left = self.days_left(headroom, left, start)
            goes_on = active and (left <= 0 or (days_left is not None and days_left <= 18))
            begins = many and left > 0 and days_left is not None and days_left <= 14
            if begins and not active:
                self.soft_forecast(service, start, start + self.world.drops_hours * hour)
            if active and not (begins or goes_on):
                # Patience of an hour: a weekly batch may come somewhat later than a week ago.
                ended = ended or start
                self.soft_forecast(service, start, min(end, ended + hour))
            else:
                ended = 0
            active = begins or goes_on or bool(ended and start < ended + hour)
            if ended and not active:
                ended = 0
            if active:
                self.true("AvePointSeatsForecastExhausted", start, end, service_name=service, severity="info")
            if goes_on and not many and left > 0:
                self.soft_forecast(service, start, end)

    def soft_forecast(self, service, start, end):
        key = {**self.ids, "service_name": service, "alertname": "AvePointSeatsForecastExhausted"}
        self.truths.soft[tuple(sorted(key.items()))].append((start, end))

    def days_left(self, headroom, left, step):
        for days in (7, 6, 5, 4, 3):
            before = headroom.at(step - days * self.day) if step >= days * self.day else None
            if before is not None:
                used = fractions.Fraction(before - left, days)
                return left / used if used > 0 else None
        return None

    # ---- Tenants and freshness ----

    def tenants(self):
        known = self.known["tenant_seats"]
        for tenant in self.customer.tenants:
            ids = {"tenant_type": tenant.type, "tenant_id": tenant.id, "severity": "info"}
            for start, end, seen in self.pieces(known, self.breakpoints(known, (tenant.assigned, tenant.available), [])):
                assigned, available = tenant.assigned.at(seen), tenant.available.at(seen)
                if None in (assigned, available) or UNLIMITED in (assigned, available):
                    continue
                if available == 0 and assigned > 0:
                    self.true("AvePointTenantSeatsExhausted", start, end, **ids)
                if assigned > 0 and assigned >= fractions.Fraction(9, 10) * (assigned + available):
                    self.true("AvePointTenantSeatsLow", start, end, **ids)

    def stale(self):
        """Half of `max_age` without a success; neither begins nor ends while nobody exports the partner."""
        shown = exported(self.world, self.customer.partner)
        for name, known in self.known.items():
            half = self.world.collectors[name].max_age // 2 // self.world.step
            spans = []
            for start, end, value in known.pieces(0, self.world.steps):
                if value not in (None, LIVE):
                    spans += intersect(shown, [(max(start, value + half + 1), end)])
            lost = known.spans(self.world.steps, lambda value: value is None)
            for start, end in minus([(0, self.world.steps)], shown):
                if inside(union(spans), start - 1):
                    spans += minus([(start, end)], lost)
            for start, end in union(spans):
                self.true("AvePointDataStale", start, end, collector=name, severity="warning")


class Seats:
    """Purchased, assigned and headroom of the running rows of a service; no headroom where seats are not what limits."""

    def __init__(self, running, seen):
        purchased = [row.seats.at(seen) for row in running if row.seats and row.seats.at(seen) is not None]
        assigned = [row.assigned.at(seen) for row in running if row.assigned and row.assigned.at(seen) is not None]
        self.purchased, self.assigned = sum(purchased), max(assigned, default=None)
        other_limit = any(NOT_SEATS.match(row.model) for row in running)
        counts = self.purchased not in (0, UNLIMITED) and self.assigned not in (None, UNLIMITED) and not other_limit
        self.headroom = self.purchased - self.assigned if counts else None
