"""Partners, exporters and customers as functions of time, and what must fire: written down as a test file of promtool.

Times are minutes. A value is a number, None (absent) or a function of time that gives one of them. The exporter is played
as it is: a value is that of the last successful poll and goes at max_age; a scrape that fails takes every series away.
"""

import collections
import json

DAY = 1440
RUNBOOKS = "https://github.com/avepoint-exporter/avepoint_exporter/blob/main/deploy/runbooks"
GRAFANA = "http://localhost:3000"
INTERVALS = {"services": 15, "tenant_seats": 60, "customers": 15, "backup_jobs": 60, "backup_overview": 360}
MAX_AGES = {"services": 60, "tenant_seats": 240, "customers": 60, "backup_jobs": 240, "backup_overview": 1440}
# Off unless enabled: here, of an exporter whose customers have such data.
OPTIONAL = ("customers", "backup_jobs", "backup_overview")
STATES = ("fresh", "stale", "failing", "pending", "absent")
RESULTS = ("successful", "failed", "skipped", "warning")
SUBSCRIPTION = ("subscription_model", "storage", "retention", "source", "payment_type", "subscription_name", "package")


def at(value, time):
    return value(time) if callable(value) else value


def steps(*changes):
    """steps(5, (30, 6), (60, None)): 5, from minute 30 on 6, from minute 60 on nothing."""
    first, *rest = changes

    def value(time):
        now = first
        for since, then in rest:
            if time >= since:
                now = then
        return now

    return value


def _scaled(value, factor):
    return lambda time: None if (now := at(value, time)) is None else now * factor


class Customer:
    """`read` is True while polls succeed; `listed` while the API lists the customer; `known` while this exporter has it."""

    def __init__(self, customer_id, name, labels, read, listed, polls):
        self.id, self.name, self.labels, self.read, self.listed, self.polls = customer_id, name, labels, read, listed, polls
        self.rows, self.tenants = [], []
        self.things = {"services": self.rows, "tenant_seats": self.tenants} | {name: [] for name in OPTIONAL}

    def row(self, subscription_id, service="Backup", seats=None, assigned=None, expires=None, contract=None, model="Standard", **values):
        """`expires` and `contract` are minutes; `values`: capacity, per_seat, used, protected (bytes), there (whether the row is)."""
        self.rows.append((subscription_id, service, model, dict(seats=seats, assigned=assigned, expires=expires, contract=contract, **values)))
        return self

    def tenant(self, tenant_id, assigned, available, tenant_type="microsoft365"):
        self.tenants.append((tenant_id, tenant_type, assigned, available))
        return self

    def status(self, status):
        """The job status of the customer, a function of time."""
        self.things["customers"].append(status)
        return self

    def plan(self, plan, *runs, job_type="1", job_module="4", there=True):
        """Runs of a plan, the oldest first: (end in minutes, status, objects that failed of 100 or None)."""
        self.things["backup_jobs"].append((plan, job_type, job_module, runs, there))
        return self

    def module(self, scanned, protected, service_type="1", service_module="2"):
        """A row of the overview of protected objects; without numbers there is none, and the answer is empty."""
        self.things["backup_overview"].append((service_type, service_module, scanned, protected))
        return self


class Exporter:
    """One target: `up` is True, False (down) or None (no target); `starts` are the times at which it forgets everything;
    `lease` is what it leads by, if it is one of several; `namespace` a label that the discovery of Prometheus adds."""

    def __init__(self, instance, job, partner, up, leads, exports, listing, starts, skew, targets, lease, namespace):
        self.target = {"job": job, "instance": instance} | ({"namespace": namespace} if namespace else {})
        self.partner, self.lease = partner, lease
        self.up, self.leads, self.exports, self.listing, self.starts, self.skew = up, leads, exports, listing, starts, skew
        self.targets, self.customers, self.others = targets or {}, [], []

    def customer(self, customer_id="c1", name="Contoso", labels=None, read=True, listed=True, polls=True):
        self.customers.append(Customer(customer_id, name, labels or {}, read, listed, polls))
        return self.customers[-1]

    def own(self, name, labels, value):
        """A series of the exporter itself, of no customer."""
        self.others.append((name, labels, value))
        return self

    # ---- the exporter's memory ----

    def last(self, time, interval, good):
        """The last poll up to a time that was good, since the last start."""
        started = max((start for start in self.starts if start <= time), default=None)
        poll = time // interval * interval
        while poll >= 0:
            # After a start everything is due at once, whatever the rhythm.
            if started is not None and poll < started:
                return started if at(good, started) else None
            if at(good, poll):
                return poll
            poll -= interval
        return None

    def series(self):
        """(name, labels, value) of everything that it exports; no `up`."""
        partner, answers = {"partner": self.partner}, lambda time: at(self.up, time) is True

        def exported(value):
            return lambda time: at(value, time) if answers(time) and at(self.exports, time) else None

        lease = {"lease": self.lease} if self.lease else {}
        yield "avepoint_exporter_leading", lease, lambda time: (1 if at(self.leads, time) else 0) if answers(time) else None
        yield "avepoint_up", partner, exported(1)
        listing = lambda time: self.last(time, 15, self.listing)  # noqa: E731
        yield "avepoint_discovery_last_success_timestamp_seconds", partner, exported(lambda time: self.seconds(listing(time)))
        used = {name for customer in self.customers for name in OPTIONAL if customer.things[name]}
        for collector, interval in INTERVALS.items():
            if collector in OPTIONAL and collector not in used:
                continue
            labels = partner | {"collector": collector}
            yield "avepoint_collector_interval_seconds", labels, exported(interval * 60)
            yield "avepoint_collector_max_age_seconds", labels, exported(MAX_AGES[collector] * 60)
            counts = self.targets.get(collector, {})
            for state in (*STATES, *(["not_granted"] if collector in OPTIONAL else [])):
                yield "avepoint_collector_targets", labels | {"state": state}, exported(counts.get(state, 1 if state == "fresh" and not counts else 0))
        for customer in self.customers:
            yield from self.of_customer(customer, listing, exported)
        for name, labels, value in self.others:
            yield name, labels, (lambda time, value=value: at(value, time) if answers(time) else None)

    def seconds(self, minutes):
        return None if minutes is None else (minutes + self.skew) * 60

    def of_customer(self, customer, listing, exported):
        ids = {"partner": self.partner, "customer_id": customer.id, **customer.labels}

        def known(time):
            return (seen := listing(time)) is not None and at(customer.listed, seen)

        def present(value):
            return exported(lambda time: at(value, time) if known(time) else None)

        def last(collector):
            good = lambda time: at(customer.read, time) and at(customer.polls, time)  # noqa: E731
            return lambda time: self.last(time, INTERVALS[collector], good)

        def polled(collector, value, there=True):
            def now(time):
                seen = last(collector)(time)
                return at(value, seen) if seen is not None and time - seen < MAX_AGES[collector] and at(there, seen) else None

            return present(now)

        yield "avepoint_customer_info", lambda time: ids | {"customer_name": at(customer.name, time)}, present(1)
        for collector, things in customer.things.items():
            if things:
                success = lambda time, collector=collector: self.seconds(last(collector)(time))  # noqa: E731
                yield "avepoint_collector_last_success_timestamp_seconds", ids | {"collector": collector}, present(success)
        for subscription_id, service, model, values in customer.rows:
            row = ids | {"subscription_id": subscription_id, "service_name": service}
            there = values.get("there", True)
            labels = row | dict.fromkeys(SUBSCRIPTION, "") | {"subscription_model": model, "source": "AvePoint subscription"}
            yield "avepoint_subscription_info", labels, polled("services", 1, there)
            for key, name, factor in (
                ("seats", "seats_purchased", 1),
                ("assigned", "microsoft_licenses_assigned", 1),
                ("capacity", "capacity_purchased_bytes", 1),
                ("per_seat", "capacity_per_seat_bytes", 1),
                ("used", "capacity_used_bytes", 1),
                ("protected", "capacity_protected_bytes", 1),
                ("expires", "expiration_timestamp_seconds", 60),
                ("contract", "contract_end_timestamp_seconds", 60),
            ):
                if (value := values.get(key)) is not None:
                    yield f"avepoint_subscription_{name}", row, polled("services", _scaled(value, factor), there)
        for tenant_id, tenant_type, assigned, available in customer.tenants:
            labels = ids | {"tenant_id": tenant_id, "tenant_type": tenant_type}
            yield "avepoint_tenant_seats_assigned", labels, polled("tenant_seats", assigned)
            yield "avepoint_tenant_seats_available", labels, polled("tenant_seats", available)
        for status in customer.things["customers"]:
            labels = lambda time, status=status: ids | {"status": at(status, last("customers")(time) or 0)}  # noqa: E731
            yield "avepoint_customer_job_status", labels, polled("customers", 1)
            yield "avepoint_customer_job_status", ids | {"status": "no_backup_updates"}, polled("customers", 0)
        for plan, job_type, job_module, runs, there in customer.things["backup_jobs"]:
            yield from of_plan(ids | {"plan": plan, "job_type": job_type, "job_module": job_module}, runs, there, polled, last("backup_jobs"))
        for service_type, service_module, scanned, protected in customer.things["backup_overview"]:
            labels = ids | {"service_type": service_type, "service_module": service_module}
            yield "avepoint_backup_objects_scanned", labels, polled("backup_overview", scanned)
            yield "avepoint_backup_objects_protected", labels, polled("backup_overview", protected)


def of_plan(labels, runs, there, polled, last):
    """The series of the newest run of a plan; a run that did not start has no end and no objects."""

    def newest(time):
        return next((run for run in reversed(runs) if run[0] <= time), None)

    def value(of):
        return polled("backup_jobs", lambda time: of(run) if (run := newest(time)) else None, there)

    yield "avepoint_backup_job_status", lambda time: labels | {"status": newest(last(time))[1]}, value(lambda run: 1)
    yield "avepoint_backup_job_status", labels | {"status": "stopped"}, value(lambda run: 0)
    yield "avepoint_backup_job_end_timestamp_seconds", labels, value(lambda run: None if run[2] is None else run[0] * 60)
    for result in RESULTS:
        parts = lambda failed, result=result: {"failed": failed, "successful": 100 - failed}.get(result, 0)  # noqa: E731
        objects = value(lambda run, parts=parts: None if run[2] is None else parts(run[2]))
        yield "avepoint_backup_job_objects", labels | {"result": result}, objects


class World:
    """A partner with its exporters, and the alerts that must fire. Worlds stand side by side in one Bench: each has a
    partner and a job of its own, called after it."""

    def __init__(self, name):
        self.name, self.exporters, self.expected, self.texts, self.queries = name, [], [], [], []

    def exporter(self, instance="a", up=True, leads=True, exports=True, listing=True, starts=(), skew=0, targets=None, lease="", namespace="", partner=""):
        job, partner = f"avepoint_{self.name}", partner or self.name
        exporter = Exporter(instance, job, partner, up, leads, exports, listing, starts, skew, targets, lease, namespace)
        self.exporters.append(exporter)
        return exporter

    def fires(self, alert, severity, *during, **labels):
        """The alert fires exactly in these [from, to) of minutes; without an end, to the end of the bench."""
        ids = {} if {"job", "partner"} & labels.keys() else {"partner": self.name}
        found = {key: value for key, value in {**ids, **labels}.items() if value is not None}
        self.expected.append(({"alertname": alert, "severity": severity, **found}, [(*times, None)[:2] for times in during]))
        return self

    def of(self, customer="c1", service="Backup", **labels):
        """Fires for a service of a customer: world.of("c1", tier="gold")("AvePointSeatsLow", "warning", (30,))."""
        ids = {"customer_id": customer} | ({"service_name": service} if service else {}) | labels
        return lambda alert, severity, *during, **more: self.fires(alert, severity, *during, **ids, **more)

    def says(self, time, alert, *texts):
        """What it says then, in all worlds: (labels, customer, summary, description); no customer for others."""
        self.texts.append((time, alert, texts))
        return self

    def query(self, time, expr, *samples):
        """What an expression gives: (name, labels, value)."""
        self.queries.append((time, expr, samples))
        return self

    def series(self, bench):
        for exporter in self.exporters:
            target = exporter.target
            up = ("up", {}, lambda time, exporter=exporter: None if (value := at(exporter.up, time)) is None else int(value))
            for name, labels, value in (up, *exporter.series()):
                with_target = (lambda time, labels=labels: at(labels, time) | target) if callable(labels) else labels | target
                for key, values in bench.encode(value, with_target).items():
                    selector = ",".join(f"{label}={_quoted(text)}" for label, text in key)
                    yield {"series": f"{name}{{{selector}}}", "values": " ".join(_packed(values))}


class Bench:
    """Worlds side by side for so many minutes, evaluated every `step` minutes: one test of promtool."""

    def __init__(self, name, minutes, step=1):
        self.name, self.minutes, self.step, self.worlds = name, minutes, step, []

    def world(self, name):
        self.worlds.append(World(name))
        return self.worlds[-1]

    def encode(self, value, labels):
        """{label set: values in promtool's notation}; a change of labels is another series."""
        found = collections.defaultdict(lambda: ["_"] * (self.minutes // self.step + 1))
        before = None
        for index in range(self.minutes // self.step + 1):
            now = at(value, index * self.step)
            key = tuple(sorted(at(labels, index * self.step).items())) if now is not None else None
            if before is not None and key != before:
                found[before][index] = "stale"
            if key is not None:
                found[key][index] = f"{now:.15g}".replace("inf", "Inf")
            before = key
        return found

    def test(self):
        return {
            "name": self.name,
            "interval": f"{self.step}m",
            "input_series": [series for world in self.worlds for series in world.series(self)],
            "promql_expr_test": [*self._alerts(), *self._queries()],
            "alert_rule_test": [*self._texts()],
        }

    def _alerts(self):
        """At every change of a world, and just before it, exactly the alerts of all worlds fire."""
        expected = [pair for world in self.worlds for pair in world.expected]
        if not expected:
            return
        marks = {0, self.minutes}
        for _, during in expected:
            for time in (time for times in during for time in times if time is not None):
                marks |= {time - self.step, time}
        for time in sorted(mark for mark in marks if 0 <= mark <= self.minutes):
            firing = [labels for labels, during in expected if any(start <= time and (end is None or time < end) for start, end in during)]
            samples = [{"labels": _sample("ALERTS", labels | {"alertstate": "firing"}), "value": 1} for labels in firing]
            yield {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{time}m", "exp_samples": samples}

    def _queries(self):
        for time, expr, samples in (query for world in self.worlds for query in world.queries):
            found = [{"labels": _sample(name, labels), "value": value} for name, labels, value in samples]
            yield {"expr": expr, "eval_time": f"{time}m", "exp_samples": found}

    def _texts(self):
        for time, alert, texts in (text for world in self.worlds for text in world.texts):
            alerts = []
            for labels, customer, summary, description in texts:
                annotations = {"customer": customer} if customer else {}
                annotations |= {"summary": summary, "description": description, "runbook_url": f"{RUNBOOKS}/{alert}.md"}
                annotations["dashboard_url"] = _dashboard(alert, labels)
                alerts.append({"exp_labels": labels, "exp_annotations": annotations})
            yield {"eval_time": f"{time}m", "alertname": alert, "exp_alerts": alerts}


def _dashboard(alert, labels):
    partner = f"?var-partner={labels['partner']}" if "partner" in labels and alert != "AvePointExporterDown" else ""
    if "customer_id" in labels and alert != "AvePointDataStale":
        return f"{GRAFANA}/d/avepoint-customer{partner}&var-customer={labels['customer_id']}"
    return f"{GRAFANA}/d/avepoint-exporter{partner}"


def _quoted(text):
    return json.dumps(str(text), ensure_ascii=False)


def _sample(name, labels):
    return f"{name}{{{','.join(f'{label}={_quoted(text)}' for label, text in labels.items())}}}"


def _packed(values):
    """Runs of one value as `5x3`; promtool reads it as 5 and three more."""
    at_index = 0
    while at_index < len(values):
        end = at_index
        while end + 1 < len(values) and values[end + 1] == values[at_index]:
            end += 1
        count, value = end - at_index, values[at_index]
        if value == "_":
            yield f"_x{count + 1}"
        elif value in ("stale", "Inf") or count == 0:
            yield from [value] * (count + 1)
        else:
            yield f"{value}x{count}"
        at_index = end + 1
