"""Reads an OpenMetrics exposition from standard input with the strict reference parser; prints families and samples."""
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
print(len(families), sum(len(family.samples) for family in families))
