"""The customers of a partner over a year: what each kind of them does is written down here, when and how much is drawn."""

import random

from timeline import Track
from world import DAY, Customer, Row, Tenant

GB = 2**30
UNLIMITED = float("inf")
M365 = "Cloud Backup for Microsoft 365"
OTHERS = ["Cloud Governance", "MyHub", "Fly", "EnPower", "Cloud Backup for Google Workspace"]
POOL_DAY = 213  # many customers of the partner bought on the same day


class Builder:
    """One customer; days count from the beginning of the year, which is a Monday."""

    def __init__(self, seed, number, partner, step, days):
        self.rng = random.Random(f"{seed}/{number}")
        self.step, self.days = step, days
        self.per_day = DAY // step
        self.customer = Customer(f"c{number:03}", partner, [(0, days * self.per_day)], name=Track(f"Customer {number} GmbH"))
        self.serial = 0

    def at(self, day, hour=9):
        return round((day + hour / 24) * self.per_day)

    def expiry(self, day):
        """A date without a time is midnight."""
        return day * DAY

    def row(self, service, seats, assigned, expires, **more):
        """`seats`, `assigned`: a number, None or a track; `expires`: a day, None or a track."""
        self.serial += 1
        row = Row(f"{self.customer.id}s{self.serial}", service)
        row.seats = seats if isinstance(seats, Track) else Track(seats)
        row.assigned = assigned if isinstance(assigned, Track) else Track(assigned)
        row.expires = expires if isinstance(expires, Track) else Track(None if expires is None else self.expiry(expires))
        for name, value in more.items():
            setattr(row, name, value)
        self.customer.rows.append(row)
        return row

    def walk(self, start, up, down=0.0, size=2, begin=0, end=None, weekend=False):
        """Licences that change on working days: up or down with these probabilities, by up to `size`."""
        track, value = Track(start), start
        for day in range(max(begin, 1), end or self.days):
            drawn = self.rng.random()
            step = self.rng.randint(1, size) if drawn < up else -self.rng.randint(1, size) if drawn > 1 - down else 0
            if step and (weekend or day % 7 < 5):
                value = max(value + step, 1)
                track.set(self.at(day, self.rng.uniform(8, 18)), value)
        return track

    def orders(self, seats, assigned, limit, patience, amount):
        """Buys `amount` seats `patience` days after `limit` of them are assigned."""
        track, value, step = Track(seats), seats, 0
        while step < self.days * self.per_day:
            later = [at for at, used in zip(assigned.steps, assigned.values) if at >= step and used >= limit * value]
            now = assigned.at(step) >= limit * value
            if not later and not now:
                return track
            step = (step if now else later[0]) + round(patience * self.per_day)
            if step >= self.days * self.per_day:
                return track
            value += amount
            track.set(step, value)
        return track

    def renewed(self, first, lead):
        """An expiration date that moves on by a year, `lead` days before it is reached (or, below 0, after it)."""
        track, day = Track(self.expiry(first)), first
        while day - lead < self.days:
            track.set(self.at(day - lead, 10), self.expiry(day + 365))
            day += 365
        return track

    def tenant(self, assigned=80, available=40):
        tracks = [value if isinstance(value, Track) else Track(value) for value in (assigned, available)]
        self.customer.tenants.append(Tenant(f"{self.customer.id}t{len(self.customer.tenants)}", *tracks))

    def steady(self, service=M365):
        seats = self.rng.randint(20, 400)
        assigned = round(seats * self.rng.uniform(0.72, 0.86))
        return self.row(service, seats, assigned, self.renewed(self.rng.randint(60, 420), self.rng.randint(32, 50)))


def steady(b):
    b.steady()


def grows(b):
    seats = b.rng.randint(40, 200)
    assigned = b.walk(round(seats * 0.7), 0.45, 0.15)
    ordered = b.orders(seats, assigned, 1, b.rng.uniform(1, 12), round(seats * 0.2))
    b.row(M365, ordered, assigned, b.renewed(b.rng.randint(60, 400), b.rng.randint(5, 40)))


def seasonal(b):
    """Hires for some months, is over-assigned, and shrinks again."""
    seats, start, months = b.rng.randint(50, 150), b.rng.randint(30, 120), b.rng.randint(40, 120)
    assigned, value = Track(round(seats * 0.8)), round(seats * 0.8)
    for day in range(start, start + 20, 2):
        value += max(1, round(seats * b.rng.uniform(0.02, 0.045)))
        assigned.set(b.at(day, 11), value)
    for day in range(start + months, start + months + 30, 3):
        value -= max(1, round(seats * b.rng.uniform(0.02, 0.045)))
        assigned.set(b.at(day, 11), value)
    b.row(M365, seats, assigned, b.renewed(b.rng.randint(200, 420), 35))


def mondays(b):
    """Ten new colleagues every Monday, and seats are bought when they are all gone."""
    assigned, value = Track(120), 120
    for day in range(14, b.days, 7):
        value += 10
        assigned.set(b.at(day, 9 + (b.rng.choice([0, 0, 1]) if b.rng.random() < 0.3 else 0)), value)
    b.row(M365, b.orders(160, assigned, 1, b.rng.uniform(0.5, 9), 70), assigned, b.renewed(300, 40))


def renews_late(b):
    """The new row comes days after the old one has expired, which stays in the list for some time."""
    day, seats = b.rng.randint(40, 320), b.rng.randint(10, 100)
    assigned = Track(round(seats * 0.8))
    late = b.rng.choice([1, 4, 11, 18, 27])
    b.row(M365, seats, assigned, day, listed=[(0, b.at(day + b.rng.choice([30, 120])))])
    b.row(M365, seats, assigned, day + 365, listed=[(b.at(day + late), b.days * b.per_day)])


def forgets(b):
    """A subscription that nobody renews; it goes on being over-assigned in the list for months."""
    day, seats = b.rng.randint(30, 250), b.rng.randint(10, 100)
    b.row(M365, seats, seats + b.rng.randint(-3, 12), day)
    b.steady(b.rng.choice(OTHERS))


def overlaps(b):
    """A renewal that is bought in rows of 5, 242 and 242 seats, of which the first two expire."""
    day = b.rng.randint(60, 300)
    assigned = b.walk(167, 0.2, 0.2)
    b.row(M365, 5, assigned, day)
    b.row(M365, 242, assigned, day, listed=[(0, b.at(day + 60))])
    b.row(M365, 242, assigned, day + 365, listed=[(b.at(day - b.rng.randint(1, 40)), b.days * b.per_day)])


def renews_part(b):
    """Renews less than what expires, and is over-assigned from that day on, until it buys what is missing."""
    day, seats = b.rng.randint(50, 250), b.rng.randint(40, 120)
    assigned = Track(round(seats * 0.9))
    b.row(M365, seats, assigned, day, listed=[(0, b.at(day + 40))])
    new = Track(round(seats * 0.6)).set(b.at(day + b.rng.randint(5, 40)), seats + 10)
    b.row(M365, new, assigned, day + 365, listed=[(b.at(day - 20), b.days * b.per_day)])


def over_uses(b):
    """A little too much for more than 25 days, at another time a lot, and exactly 10 % (which is not more than 10 %)."""
    assigned, start = Track(90), b.rng.randint(15, 60)
    first = [(0, 101), (40, 95), (60, 104), (80, 116), (90, 104), (97, 99), (110, 110), (120, 100), (130, 89)]
    for day, value in [*first, (150, 101), (160, 100), (161, 101), (180, 80)]:
        assigned.set(b.at(start + day, b.rng.uniform(8, 18)), value)
    b.row(M365, 100, assigned, b.renewed(400, 40))


def odd_rows(b):
    """Rows without dates, with unlimited seats, with none, and without licences."""
    b.row(M365, 50, b.walk(30, 0.2, 0.1), None)
    b.row("Fly", UNLIMITED, 30, b.rng.randint(50, 300))
    b.row("Opus - Information Lifecycle for Microsoft 365", 20, None, b.renewed(b.rng.randint(50, 300), 3))
    b.row("Insights for Microsoft 365", None, 40, b.rng.randint(50, 300))
    b.row("tyGraph - Copilot", 0, 40, None)
    b.row("EnPower", 100, 30, 150, listed=[(0, b.at(200))])
    b.row("EnPower", None, 30, None, listed=[(b.at(100), b.days * b.per_day)])


def stores(b):
    """Capacity: per seat, and of a plan without a limit of users, whose seats mean nothing."""
    seats, protected = 40, Track(20 * GB)
    for day in range(7, b.days, 7):
        protected.set(b.at(day, 3), round((20 + 30 * day / b.days) * GB))
    row = b.row("Cloud Archiving", Track(seats).set(b.at(320), 80), 39, b.renewed(400, 40), model="1 GB/User/Year")
    row.per_seat, row.protected = GB, protected
    row = b.row(M365, 20, 180, b.renewed(380, 33), model="Unlimited users")
    row.capacity, row.used = Track(1024 * GB), Track(0)
    grown = Track(700 * GB)
    for day in range(3, b.days, 10):
        grown.set(b.at(day, 4), min(700 + 2 * day, 1100) * GB)
    row.protected = grown
    row = b.row("Cloud Backup for IaaS + PaaS - Unit", None, None, b.renewed(390, 33))
    row.capacity, row.used = Track(100 * GB).set(b.at(250), 200 * GB), Track(95 * GB).set(b.at(300), 100 * GB)


def tenants(b):
    b.steady()
    b.tenant(b.walk(100, 0.2, 0.2), Track(20).set(b.at(50), 0).set(b.at(90), 4).set(b.at(130), 40).set(b.at(200), 11))
    b.tenant(Track(0).set(b.at(60), 10), Track(0).set(b.at(100), 1).set(b.at(140), 2))


def joins(b):
    day = b.rng.randint(30, 250)
    b.customer.listed = [(b.at(day), b.days * b.per_day)]
    assigned = b.walk(30, 0.6, 0.0, begin=day + 1)
    b.row(M365, b.orders(60, assigned, 0.97, 5, 20), assigned, day + 365)


def leaves(b):
    """Leaves while it is over-assigned and something is about to expire; its collectors are long fine."""
    day = b.rng.randint(60, 330)
    b.customer.listed = [(0, b.at(day, 14))]
    b.row(M365, 50, Track(40).set(b.at(day - 20), 53), day + 9)
    b.row("MyHub", 50, 20, day - 3)


def changes(b):
    """Is renamed, gets other labels, and is muted for a while, all while an alert fires."""
    start = b.rng.randint(10, 60)
    b.row(M365, 100, Track(80).set(b.at(start), 104).set(b.at(start + 200), 80), b.renewed(start + 150, 10))
    b.row("MyHub", 20, 20, b.renewed(330, 35))
    b.customer.name.set(b.at(start + 3), "Fabrikam AG").set(b.at(start + 60), 'Fabrikam "Süd" SE').set(b.at(start + 110), "")
    gold, silver, off = ("tier", "gold"), ("tier", "silver"), ("alerting", "off")
    for day, pairs in [(7, (gold,)), (40, (silver,)), (70, (off, silver)), (95, (silver,)), (142, ())]:
        b.customer.labels.set(b.at(start + day, 12), pairs)


def muted(b):
    b.customer.labels = Track((("alerting", "off"),))
    b.row(M365, 50, 60, b.rng.randint(30, 300))
    b.tenant(10, 0)


def pool(b):
    """One of many that expire on one day: renewed early, in the last days, or not at all."""
    seats = b.rng.randint(5, 60)
    row = b.row(M365, seats, round(seats * 0.8), b.renewed(POOL_DAY, b.rng.choice([35, 20, 2, -6])))
    row.contract = Track(b.expiry(POOL_DAY + 90))


def unused(b):
    """Bought much too much; the contract ends, and the renewal is smaller."""
    day = b.rng.randint(60, 300)
    row = b.row(M365, Track(200).set(b.at(day, 1), 130), b.walk(90, 0.2, 0.1), b.renewed(day, 8))
    row.contract = Track(b.expiry(day + 20)).set(b.at(day + 40), None)


def refused(b):
    """One collector never succeeds for this customer, or fails for days."""
    b.steady()
    start = b.rng.randint(20, 150)
    b.customer.failing = {"tenant_seats": [(0, b.at(3 + start / 10)), (b.at(start), b.at(start + 2)), (b.at(start + 50), b.at(start + 56))]}
    b.tenant(Track(50).set(b.at(start - 5), 100), Track(50).set(b.at(start - 5), 0).set(b.at(start + 1), 30).set(b.at(start + 51), 0))


def cancels(b):
    """Buys a service, cancels it so that the row is gone, and takes it again, in a row of another id."""
    day = b.rng.randint(40, 200)
    b.row("MyHub", 30, 33, day + 60, listed=[(0, b.at(day))])
    b.row("MyHub", 30, 29, day + 300, listed=[(b.at(day + 30), b.days * b.per_day)])
    b.steady()


KINDS = [steady, grows, seasonal, mondays, renews_late, forgets, overlaps, renews_part, over_uses, odd_rows]
KINDS += [stores, tenants, joins, leaves, changes, muted, pool, unused, refused, cancels]


def customer(seed, number, partner, step, days):
    builder = Builder(seed, number, partner, step, days)
    kind = KINDS[number % len(KINDS)]
    kind(builder)
    builder.customer.kind = kind.__name__
    if builder.rng.random() < 0.35 and kind is not muted:
        builder.steady(builder.rng.choice(OTHERS[1:3]) + " - Plus")
    if not builder.customer.tenants:
        builder.tenant(80, 40)
    if builder.rng.random() < 0.1 and kind not in (changes, muted):
        builder.customer.name.set(builder.at(builder.rng.randint(20, 300)), f"Renamed {number}")
    return builder.customer
