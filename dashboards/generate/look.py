"""How values look: colours that mean what the alerts mean, thresholds, mappings, links."""

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common, dashboard

RUNBOOKS = "https://github.com/avepoint-exporter/avepoint_exporter/blob/main/deploy/runbooks"

# Grafana's own names of colours, by the alerts' severity.
OK, INFO, WARNING, CRITICAL, NEUTRAL = "green", "yellow", "orange", "red", "text"
DAY = 86400

# Thresholds as (value from which, colour); the first has no value. They are the alerts'.
UTILIZATION = [(None, OK), (0.90, WARNING), (1.1000001, CRITICAL)]
TENANT_UTILIZATION = [(None, OK), (0.90, INFO)]
CAPACITY_UTILIZATION = [(None, OK), (0.90, WARNING), (1, CRITICAL)]
DAYS_LEFT = [(None, CRITICAL), (3, WARNING), (14, INFO), (30, OK)]
CONTRACT_DAYS_LEFT = [(None, INFO), (60, OK)]
CREDENTIAL_SECONDS_LEFT = [(None, CRITICAL), (7 * DAY, WARNING), (30 * DAY, OK)]
HEADROOM = [(None, WARNING), (1, OK)]
FAILED_SHARE = [(None, OK), (0.05, WARNING)]
COVERAGE = [(None, WARNING), (0.95, OK)]
AGE = [(None, OK), (0.5, WARNING), (1, CRITICAL)]
PLAIN = [(None, NEUTRAL)]

UNLIMITED = dashboard.ValueMap(options={"Infinity": dashboard.ValueMappingResult(text="unlimited", index=0)})


def any_is(color: str) -> list:
    """Good at 0, of that colour from 1."""
    return [(None, OK), (1, color)]


def thresholds(steps: list) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value, color) for value, color in steps])
    )


def mapping(texts: dict) -> dashboard.ValueMap:
    """Values as words: {"1": ("up", OK)}."""
    return dashboard.ValueMap(
        options={
            value: dashboard.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(texts.items())
        }
    )


def data_source() -> common.DataSourceRef:
    return common.DataSourceRef(type_val="prometheus", uid="${datasource}")


def runbook(alert: str) -> builders.DashboardLink:
    return link(f"Runbook of {alert}", f"{RUNBOOKS}/{alert}.md").target_blank(True)


def link(title: str, url: str) -> builders.DashboardLink:
    # Without a placement it stands in the header, in every version; the builder's default is a menu of new ones.
    return builders.DashboardLink(title).url(url).type(dashboard.DashboardLinkType.LINK).placement(None)


_HERE = "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"
TO_SEATS = f"/d/avepoint-seats?{_HERE}&${{partner:queryparam}}"
TO_CUSTOMER = f"/d/avepoint-customer?{_HERE}&${{partner:queryparam}}"
TO_EXPORTER = f"/d/avepoint-exporter?{_HERE}&${{partner:queryparam}}"


def customer_url(kind: str) -> str:
    """The customer dashboard of the row (`fields`) or series (`field.labels`) that is clicked."""
    return (
        f"/d/avepoint-customer?{_HERE}"
        f"&var-partner=${{__{kind}.partner:percentencode}}"
        f"&var-customer=${{__{kind}.customer_id:percentencode}}"
        "&${__url_time_range}"
    )


# Plain objects: the value of a field's `links` property.
ROW_TO_CUSTOMER = [{"title": "This customer", "url": customer_url("data.fields"), "targetBlank": False}]
ROW_TO_RUNBOOK = [
    {"title": "Runbook", "url": f"{RUNBOOKS}/${{__data.fields.alertname:percentencode}}.md", "targetBlank": True}
]
SERIES_TO_CUSTOMER = "This customer", customer_url("field.labels")


def legend(*calcs: str) -> common_builders.VizLegendOptions:
    """A table of the series and these calculations; without any, a plain list."""
    mode = common.LegendDisplayMode.TABLE if calcs else common.LegendDisplayMode.LIST
    return (
        common_builders.VizLegendOptions()
        .display_mode(mode)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(list(calcs))
    )
