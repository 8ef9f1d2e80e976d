"""Windows around each kind of event: steps of one minute, with the default intervals (services 15m, tenant_seats 1h).

What takes weeks, the forecast and 25 days of over-use, has steps of half an hour.
"""

from customers import GB, M365
from timeline import Track
from world import DAY, HOUR, Collector, Customer, Exporter, Row, Tenant, World

STEP = 60
WINDOWS = []


def window(make):
    WINDOWS.append(make)
    return make


def exporter(steps, instance="exporter:10120", partners=("main",), **more):
    whole = [(0, steps)]
    options = {"lives": [(0, steps, False)], "targets": whole, "first_pass": 9, **more}
    return Exporter({"job": "avepoint_exporter", "instance": instance}, partners={partner: whole for partner in partners}, **options)


def world(make, hours, people, exporters=None, **more):
    steps = hours * 60
    collectors = {"services": Collector(15, HOUR, 900), "tenant_seats": Collector(60, 4 * HOUR, 3600)}
    for customer in people:
        customer.listed = customer.listed or [(0, steps)]
        if not customer.tenants:
            customer.tenants.append(Tenant(f"{customer.id}t", Track(20), Track(30)))
    return World(make.__name__, STEP, steps, exporters or [exporter(steps)], people, collectors, **more)


def changing(first, *changes):
    """A track from (minute, value) pairs."""
    track = Track(first)
    for minute, value in changes:
        track.set(minute, value)
    return track


def person(number, listed=None, partner="main"):
    return Customer(f"c{number}", partner, listed, name=Track(f"Customer {number}"))


def seats(customer, purchased, assigned, expires=None, service=M365, listed=None, **more):
    tracks = [value if isinstance(value, Track) else Track(value) for value in (purchased, assigned, expires)]
    row = Row(f"{customer.id}s{len(customer.rows)}", service, "Enterprise", listed, *tracks)
    for name, value in more.items():
        setattr(row, name, value)
    customer.rows.append(row)
    return customer


def over(number, at=0, **more):
    """A customer that has too few seats from a minute on."""
    return seats(person(number, **more), 100, changing(50, (at, 104)))


@window
def slide():
    """From 85 % over 100 % to 115 % and back, in leaps and by single seats; orders; rows that are replaced."""
    used = changing(85, (60, 92), (120, 100), (180, 105), (260, 115), (340, 105), (400, 100), (460, 92), (520, 60))
    one = seats(person(1), 100, used)
    two = seats(person(2), changing(100, (300, 150)), changing(60, (70, 130)))
    three = seats(person(3), 5, 167)
    seats(three, 242, 167, listed=[(100, 720)])
    seats(three, 242, 167, listed=[(0, 200)])
    four = seats(person(4), 100, changing(100, (130, 101), (200, 99), (230, 101)), service="Fly")
    seats(four, 100, changing(110, (150, 111), (330, 110)), service="MyHub")
    # Cancelled while it fires: the row is gone.
    five = seats(person(5), 20, 30, listed=[(0, 260)])
    six = seats(person(6), changing(100, (90, float("inf")), (300, 100), (400, None)), 120)
    six.tenants.append(Tenant("c6a", changing(10, (130, 0)), Track(0)))
    six.tenants.append(Tenant("c6b", changing(80, (70, 90), (200, 70)), changing(20, (70, 10), (200, 30))))
    seven = seats(person(7), 20, 5, 40 * DAY)
    seven.rows[0].contract = changing(None, (100, 40 * DAY), (300, 90 * DAY))
    eight = person(8)
    seats(eight, 10, 10, service="Cloud Archiving", model="1 GB/User/Year", per_seat=GB, protected=changing(5 * GB, (60, 9 * GB), (200, 10 * GB), (320, 3 * GB)))
    seats(eight, 1, 500, model="Unlimited users", capacity=Track(100 * GB), protected=Track(0), used=changing(0, (90, 95 * GB), (280, 10 * GB)))
    return world(slide, 11, [one, two, three, four, five, six, seven, eight])


@window
def dates():
    """Each border of time is crossed; renewals before and after, enough and too small."""
    people, now = [], 3 * HOUR
    for number, days in enumerate([60, 45, 30, 14, 3, 0]):
        one = seats(person(number), 10, 5, now + days * DAY)
        seats(one, 10, 5, None, service="MyHub", contract=Track(now + days * DAY))
        people.append(one)
    for number, days in enumerate([15, 30], 10):
        people.append(seats(person(number), 10, 5, now - days * DAY))
        seats(people[-1], 10, 5, None, service="MyHub", contract=Track(now - days * DAY))
    enough = seats(person(20), 100, 50, now)
    people.append(seats(enough, 100, 50, 365 * DAY, listed=[(240, 720)]))
    part = seats(person(21), 100, 80, now)
    people.append(seats(part, 60, 80, 365 * DAY, listed=[(100, 720)]))
    undated = seats(person(22), None, 50, now + 2 * DAY)
    people.append(seats(undated, None, 50, None, listed=[(120, 720)]))
    moved = seats(person(23), 30, 20, changing(now, (330, now + 365 * DAY)))
    people.append(moved)
    # Of two expired rows only the later one counts.
    both = seats(person(24), 30, 20, now - 5 * DAY)
    people.append(seats(both, 30, 20, now + HOUR))
    gone = seats(person(25), 30, 20, now, listed=[(0, 300)])
    people.append(gone)
    return world(dates, 9, people)


@window
def identity():
    """Renames, other configured labels, mute, leaving and joining while alerts fire."""
    renamed, labelled, muted, born = over(1), over(2), over(3), over(4)
    renamed.name.set(90, "Fabrikam").set(150, 'Fabrikam "Süd" {{ AG }}').set(240, "")
    labelled.labels = changing((), (100, (("tier", "gold"),)), (200, (("tier", "silver"), ("site", "b"))), (300, ()))
    muted.labels = changing((), (130, (("alerting", "off"),)), (260, ()))
    muted.tenants.append(Tenant("c3a", Track(10), Track(0)))
    born.labels = Track((("alerting", "off"),))
    left, joined = over(5, listed=[(0, 170)]), over(6, listed=[(95, 420)])
    made = world(identity, 7, [renamed, labelled, muted, born, left, joined])
    made.name_label = True
    return made


@window
def restarts():
    """With state, without state (a first pass of ten minutes), twice in a row, during `for` and while an alert fires."""
    lives = [(0, 80, False), (81, 140, False), (142, 200, True), (203, 208, False), (209, 300, False), (304, 480, True)]
    people = [over(1), over(2, 70), over(3, 120), over(4, 205), seats(person(5), 30, 28, 3 * DAY + 140 * 60)]
    people += [over(6, listed=[(0, 141)]), over(7, listed=[(0, 201)])]
    people[0].tenants.append(Tenant("c1a", Track(10), changing(0, (290, 20))))
    return world(restarts, 8, people, [exporter(480, lives=lives)])


@window
def down():
    """The target is down for three hours, and seconds of it are enough to lose every series at once."""
    people = [over(1), over(2, 170), over(3, listed=[(0, 200)]), seats(person(4), 10, 5, 30 * DAY + 200 * 60), seats(person(5), 10, 5, 250 * 60)]
    people.append(seats(person(6), 100, changing(105, (210, 50))))
    return world(down, 8, people, [exporter(480, unreachable=[(100, 101), (150, 330), (400, 407)])])


@window
def rescheduled():
    """No target for some minutes, for two hours, and for more than six: only then is dropped what was known."""
    ends, begins = [100, 250, 400], [0, 112, 370, 800]
    pods = []
    for number, (start, end) in enumerate(zip(begins, [*ends, 960])):
        pods.append(exporter(960, f"10.0.0.{number}:10120", lives=[(start, end, False)], targets=[(start, end)]))
        pods[-1].labels |= {"pod": f"exporter-{number}", "namespace": "monitoring", "container": "exporter", "endpoint": "http", "service": "exporter"}
    people = [over(1), over(2, 300), over(3, listed=[(0, 280)]), seats(person(4), 10, 5, 3 * DAY + 300 * 60)]
    people[0].tenants.append(Tenant("c1a", Track(10), Track(0)))
    return world(rescheduled, 16, people, pods)


@window
def api_outage():
    """The API is away for half an hour, then for seven hours, beyond every `max_age`; meanwhile the truth changes."""
    people = [over(1), over(2, 200), over(3, listed=[(0, 300)]), seats(person(4), 10, 5, 300 * 60), seats(person(5), 100, changing(105, (250, 50)))]
    people[0].tenants.append(Tenant("c1a", Track(10), changing(0, (220, 5))))
    people.append(seats(person(6), 10, 12, 14 * DAY + 400 * 60))
    return world(api_outage, 13, people, api_down={"main": [(65, 95), (150, 570)]})


@window
def refused_replica():
    """One of a pair is refused; the other one is believed, also on who exists."""
    pair = [exporter(600, "a:10120", refused=[(60, 400)], first_pass=4), exporter(600, "b:10120", refused=[(420, 500)])]
    people = [over(1, 90), seats(person(2), 100, changing(105, (120, 50))), over(3, listed=[(0, 150)]), over(4, listed=[(180, 600)])]
    people.append(seats(person(5), 10, 5, changing(3 * DAY, (200, 365 * DAY))))
    people[0].tenants.append(Tenant("c1a", Track(10), changing(0, (220, 5))))
    return world(refused_replica, 10, people, pair)


@window
def replicas():
    """A pair: one restarts, one is away, both are, one is replaced; labels reach one sooner than the other."""
    pair = [
        exporter(600, "a:10120", lives=[(0, 90, False), (92, 600, True)], unreachable=[(150, 220), (300, 330)]),
        exporter(600, "b:10120", lives=[(0, 450, False)], targets=[(0, 450)], unreachable=[(300, 330)], labels_late=20),
        exporter(600, "c:10120", lives=[(440, 600, False)], targets=[(440, 600)], labels_late=20),
    ]
    people = [over(1), over(2, 160), over(3, 310), over(4, listed=[(0, 180)]), over(5, listed=[(120, 600)])]
    people[0].labels = changing((), (250, (("tier", "gold"),)), (380, (("tier", "silver"),)))
    return world(replicas, 10, people, pair)


@window
def partners():
    """An exporter for each of two partners: one is down; a partner is taken out of the configuration."""
    first = exporter(540, "one:10120", ("main", "third"))
    first.partners["third"] = [(0, 300)]
    second = exporter(540, "two:10120", ("second",), unreachable=[(90, 96), (120, 200)], lives=[(0, 240, False), (243, 540, True)])
    people = [over(1), over(2, partner="second"), over(3, 130, partner="second"), over(4, partner="third")]
    return world(partners, 9, people, [first, second])


@window
def refused_customer():
    """A collector that never succeeds for one customer, and one that fails for more than a day."""
    people = [over(1), over(2), over(3)]
    people[0].failing = {"tenant_seats": [(0, 1620)]}
    people[1].failing = {"tenant_seats": [(100, 1580)]}
    people[1].tenants.append(Tenant("c2a", Track(10), Track(0)))
    return world(refused_customer, 27, people)


@window
def exporter_itself():
    """What the exporter says of itself: reload, state, token, throttling, lateness, values, its secret."""
    main = exporter(840, reload_failed=[(30, 120)], saves_fail=[(150, 330)])
    made = world(exporter_itself, 14, [over(1)], [main])
    made.lag = {"main": changing(0, (60, 1700), (100, 2000), (200, 0))}
    made.throttled = {"main": [(300, 380)]}
    made.unreadable = {"main": [70, 240, 250, 600]}
    made.secret_expires = {"main": changing(30 * DAY + 100 * 60, (200, 7 * DAY + 300 * 60), (500, 365 * DAY))}
    # Refused: the exporter has no token any more an hour later.
    main.refused = [(450, 640)]
    return made


@window
def outage_is_no_loss():
    """An API outage, whose reasons change, is nothing that could have been saved."""
    return world(outage_is_no_loss, 9, [over(1)], api_down={"main": [(120, 420)]})


HALF_HOUR = 1800


def at(day, hour=9):
    return round((day + hour / 24) * 48)


def batches(start, size, days, hour=9):
    """Assigned licences that grow by a batch on each of these days."""
    track, value = Track(start), start
    for day in days:
        value += size
        track.set(at(day, hour), value)
    return track


@window
def weeks():
    """Forecasts: every Monday, on working days, one order, a trend that ends, a border that is touched; over-use for 25 days."""
    days, people = 48, [person(number) for number in range(9)]
    mondays, working = range(7, days, 7), [day for day in range(days) if day % 7 < 5]
    # Ten each Monday: exhausted, over-assigned, then a large order.
    seats(people[0], changing(145, (at(40), 230)), batches(100, 10, mondays))
    later = Track(100)
    for number, day in enumerate(mondays, 1):
        later.set(at(day, 9 + number % 2 / 2), 100 + 10 * number)
    seats(people[1], 170, later)
    seats(people[2], 90, batches(40, 2, working[:18]))
    seats(people[3], 100, batches(60, 25, [20]))
    # Orders whenever ten are left, which ends each forecast.
    seats(people[4], changing(70, *[(at(day), 70 + 20 * number) for number, day in enumerate(range(14, days, 10), 1)]), batches(40, 2, range(1, days)))
    # One a day with twenty left, then every other day: between 14 and 18 days, and beyond.
    seats(people[5], 60, batches(25, 1, [*range(1, 22), *range(23, 31, 2)]))
    # Joins, and grows from its first day on: a forecast needs three days.
    people[6].listed = [(at(10), days * 48)]
    seats(people[6], 60, batches(40, 1, range(11, 25)))
    seats(people[7], 100, changing(90, (at(3), 104), (at(33), 100), (at(40), 104)))
    seats(people[8], 100, changing(104, (at(12), 108), (at(20), 101)), listed=[(0, at(46))])
    people[8].labels = changing((), (at(15), (("tier", "gold"),)))
    for customer in people:
        customer.listed = customer.listed or [(0, days * 48)]
    collectors = {"services": Collector(1, HOUR, 900), "tenant_seats": Collector(1, 4 * HOUR, 3600)}
    main = exporter(days * 48, lives=[(0, at(17), False), (at(17) + 1, at(30), True), (at(30) + 1, days * 48, False)], first_pass=1)
    main.unreachable = [(at(22), at(22, 20))]
    return World("weeks", HALF_HOUR, days * 48, [main], people, collectors, api_down={"main": [(at(25), at(26))]})
