"""Builds the queries: selectors that carry the dashboard's variables, and joins that hold for every way of deployment.

What every query keeps to:

- Two exporters may watch the same partner. What describes customers is therefore taken once, `max by (...)` over the
  instances; what describes an exporter is shown per instance, or summed if it counts.
- A customer can have labels of its own from the configuration, its name among them (`metrics.customer_name_label`).
  Aggregating by named labels drops them, so no join finds `customer_name` on both sides.
- Headroom, ratios and what is last known of subscriptions and tenants come from the recording rules, which carry neither
  `job` nor `instance`: they say the same when the exporter is down, and take the newest where several watch a partner.
"""

# What identifies a customer.
CUSTOMER = "partner, customer_id"
SERVICE = f"{CUSTOMER}, service_name"
SUBSCRIPTION = f"{CUSTOMER}, subscription_id, service_name"
TENANT = f"{CUSTOMER}, tenant_type, tenant_id"
PLAN = f"{CUSTOMER}, job_type, job_module, plan"
MODULE = f"{CUSTOMER}, service_type, service_module"

RATE = "[$__rate_interval]"
JOB = 'job=~"$job"'
EXPORTER = f'{JOB}, instance=~"$instance"'


class Scope:
    """Selectors of one dashboard: raw series are held to job, instance and the rest, recorded ones have no instance."""

    def __init__(self, rest: str) -> None:
        self.rest = rest

    def raw(self, metric: str, matchers: str = "") -> str:
        return f"{metric}{{{_join(EXPORTER, self.rest, matchers)}}}"

    def ours(self, expr: str) -> str:
        """`expr`, which other jobs have as well (`process_...`), of the exporters alone: "All" is every job there is. Of one
        that was there within a day, so that what Prometheus says of a target that is down stays."""
        return f"{expr} and on (job, instance) last_over_time({self.raw('avepoint_exporter_build_info')}[1d])"

    def recorded(self, metric: str, matchers: str = "") -> str:
        return f"{metric}{{{_join(self.rest, matchers)}}}"

    def once(self, by: str, metric: str, matchers: str = "") -> str:
        """A raw gauge, once, however many exporters serve it."""
        return f"max by ({by}) ({self.raw(metric, matchers)})"

    def rate(self, by: str, counter: str) -> str:
        """A counter's increase a second, of all exporters together: each counts what it does itself."""
        return f"sum by ({by}) (rate({self.raw(counter)}{RATE}))"

    def names(self) -> str:
        """One series per customer with its name, as last known; of a nameless customer its id."""
        named = self.recorded("avepoint:customer_name:info", 'customer_name!=""')
        known = self.recorded("avepoint:customer:info")
        return (
            f"(group by ({CUSTOMER}, customer_name) ({named})"
            f" or on ({CUSTOMER}) "
            f'label_replace(group by ({CUSTOMER}) ({known}), "customer_name", "$1", "customer_id", "(.+)"))'
        )

    def named(self, expr: str) -> str:
        """`expr`, which must have the customer's labels and no `customer_name`, with the customer's name."""
        return f"{expr} * on ({CUSTOMER}) group_left (customer_name) {self.names()}"

    def tenant_names(self) -> str:
        return f"topk by ({TENANT}) (1, group by ({TENANT}, tenant_name) ({self.raw('avepoint_tenant_info')}))"

    def last(self, metric: str) -> str:
        """A number or a date of every row of the service list, as last known."""
        return self.recorded_once(SUBSCRIPTION, f"avepoint:subscription_{metric}:last")

    def expired(self) -> str:
        """When rows expired that nothing replaced, however long ago; of several the latest."""
        return self.recorded_once(SUBSCRIPTION, "avepoint:subscription_expired:since")

    def recorded_once(self, by: str, metric: str, matchers: str = "") -> str:
        return f"max by ({by}) ({self.recorded(metric, matchers)})"


def count(condition: str, base: str) -> str:
    """How many series meet the condition; 0 only if there are any at all, otherwise nothing."""
    return f"count({condition}) or 0 * count({base})"


def _join(*matchers: str) -> str:
    return ", ".join(matcher for matcher in matchers if matcher)


PARTNER = Scope('partner=~"$partner"')
CUSTOMERS = Scope('partner=~"$partner", customer_id=~"$customer"')
ONE_CUSTOMER = Scope('partner=~"$partner", customer_id="$customer"')
# What Prometheus itself says of its target.
TARGET = Scope("")
