"""What an engineer gets: notifications as the shipped Alertmanager configuration makes them of alerts; and the tables."""

import collections
import pathlib
import re
import statistics

import yaml

from bench import seconds
from timeline import minus, union

ALERTMANAGER = pathlib.Path(__file__).resolve().parent.parent.parent / "compose" / "alertmanager.yml"
SHOWN = 40  # findings of a kind that are printed


class Sent:
    """What was heard of (not inhibited), by alert and severity, and by group of Alertmanager."""

    def __init__(self):
        self.alerts, self.groups, self.worlds = collections.Counter(), collections.defaultdict(list), 0

    def add(self, other):
        self.alerts.update(other.alerts)
        self.worlds += other.worlds
        for key, heard in other.groups.items():
            self.groups[key] += heard

    def messages(self, kind):
        """Messages of what is new, repeated, and resolved; all worlds are customers of one partner."""
        new = repeated = resolved = 0
        for (of, _, repeat), spans in self.groups.items():
            if of == kind:
                starts, ends = {start for start, _ in spans}, {end for _, end in spans}
                new, resolved = new + len(starts), resolved + len(ends)
                for start, end in union(spans):
                    edges = sorted(at for at in {*starts, *ends, end} if start <= at <= end)
                    repeated += sum((after - before - 1) // repeat for before, after in zip(edges, edges[1:]))
        return new, repeated, resolved


def matches(matchers, labels):
    for matcher in matchers:
        name, operator, value = re.fullmatch(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*', matcher).groups()
        found = re.fullmatch(value, labels.get(name, "")) if "~" in operator else labels.get(name, "") == value
        if bool(found) == operator.startswith("!"):
            return False
    return True


def notifications(world, alerts):
    config = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    sent = Sent()
    sent.worlds = 1
    sources = [[a for a in alerts if matches(rule["source_matchers"], a.labels)] for rule in config["inhibit_rules"]]
    for alert in alerts:
        quiet = []
        for rule, by in zip(config["inhibit_rules"], sources):
            if matches(rule["target_matchers"], alert.labels):
                both = matches(rule["source_matchers"], alert.labels)
                equal = rule.get("equal", [])
                of = [a for a in by if all(a.labels.get(name, "") == alert.labels.get(name, "") for name in equal)]
                quiet += [(a.start, a.end) for a in of if not both or not matches(rule["target_matchers"], a.labels)]
        heard = minus([(alert.start, alert.end)], union(quiet))
        if heard:
            kind = alert.labels["alertname"], alert.labels["severity"]
            sent.alerts[kind] += len(heard)
            route = config["route"]
            for child in route.get("routes", []):
                if matches(child.get("matchers", []), alert.labels):
                    route = {**route, **child}
                    break
            about = "customers" if "customer_id" in alert.labels else world.name
            key = (about, *(alert.labels.get(name, "") for name in route["group_by"]))
            sent.groups[kind, key, seconds(route["repeat_interval"]) // world.step] += heard
    return sent


def findings(result):
    for kind in ("missed", "wrong", "doubled"):
        found = getattr(result, kind)
        for finding in found[:SHOWN]:
            world, alert, labels, spans, note = finding
            print(f"  {kind} {alert} {' '.join(f'{name}={value}' for name, value in labels)}: {spans[:3]} {note[:300]}")
        if len(found) > SHOWN:
            print(f"  ... and {len(found) - SHOWN} more {kind}")


def table(total):
    by = {kind: collections.Counter(finding[1] for finding in getattr(total, kind)) for kind in ("missed", "wrong", "doubled")}
    print(f"\n{'alert':34} {'events':>7} {'missed':>7} {'wrong':>6} {'twice':>6} {'median delay':>13} {'longest':>8}")
    for alert in sorted(total.events | total.fired):
        delays = [value / 60 for value in total.delays[alert]] or [0]
        counts = [total.events[alert], *(by[kind][alert] for kind in by)]
        print(f"{alert:34} {counts[0]:7} {counts[1]:7} {counts[2]:6} {counts[3]:6} {statistics.median(delays):9.0f} min {max(delays):4.0f} min")
    print(f"recall {total.recall:.4f}, precision {total.precision:.4f} of {sum(total.events.values())} events and {sum(total.fired.values())} alerts")


def notified(sent, customers, days):
    """About customers by 100 of them, about partners and exporters by deployment: each world has outages of its own."""
    about_customers = {kind for kind, key, _ in sent.groups if key[0] == "customers"}
    for title, kinds, per in [
        ("about customers, per 100 of them and week", about_customers, customers / 100),
        ("about partners and exporters, per deployment and week", set(sent.alerts) - about_customers, sent.worlds),
    ]:
        weeks, total = days / 7 * per, [0, 0, 0, 0]
        print(f"\n{title:54} {'alerts':>7} {'messages':>9} {'repeated':>9} {'resolved':>9}")
        for kind in sorted(kinds, key=lambda kind: -sent.alerts[kind]):
            numbers = [sent.alerts[kind] / weeks, *(count / weeks for count in sent.messages(kind))]
            total = [sum(pair) for pair in zip(total, numbers)]
            print(f"{' '.join(kind):52} " + " ".join(f"{number:9.2f}" for number in numbers))
        print(f"{'all':52} " + " ".join(f"{number:9.2f}" for number in total))
