"""The benches: everything over hours, by the minute, and over weeks, every half hour."""

import collection
import exporters
import seats
import subscriptions
from world import Bench


def all():
    hours, weeks = Bench("hours", 720), Bench("weeks", 42 * 1440, step=30)
    for part in (seats, subscriptions, collection, exporters):
        part.hours(hours)
        part.weeks(weeks)
    return [hours, weeks]
