"""The benches: everything over hours, by the minute, and over weeks, every half hour."""

import backups
import collection
import exporters
import replicas
import seats
import subscriptions
import texts
from world import Bench


def all():
    weeks = Bench("weeks", 32 * 1440, step=30)
    hours = {"data": Bench("data", 450), "collection": Bench("collection", 540)}
    for name, parts in (("data", (seats, subscriptions, backups)), ("collection", (collection, exporters, replicas))):
        for part in parts:
            part.hours(hours[name])
            part.weeks(weeks)
    return [weeks, *hours.values(), texts.minutes(Bench("texts", 130)), exporters.nobody(Bench("nobody", 60))]
