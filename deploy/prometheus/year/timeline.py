"""Values over time, in steps of a world: spans (sorted, disjoint, half-open) and tracks (piecewise constant)."""

import bisect


def union(*lists):
    """Spans that are in any of the lists."""
    merged = []
    for start, end in sorted(span for spans in lists for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def intersect(left, right):
    """Spans that are in both lists."""
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def minus(left, right):
    """Spans of the first list without those of the second."""
    found = []
    for start, end in left:
        for cut_start, cut_end in right:
            if cut_end <= start:
                continue
            if cut_start >= end:
                break
            if cut_start > start:
                found.append((start, cut_start))
            start = max(start, cut_end)
        if start < end:
            found.append((start, end))
    return found


def inside(spans, step):
    """The span with this step, or None."""
    at = bisect.bisect_right(spans, (step, float("inf"))) - 1
    return spans[at] if at >= 0 and step < spans[at][1] else None


class Track:
    """A value that changes at some steps; None is "there is none"."""

    def __init__(self, initial=None):
        self.steps, self.values = [0], [initial]

    def set(self, step, value):
        """From this step on, until the next change; steps must not go back."""
        step = max(step, 0)
        if step == self.steps[-1]:
            self.values[-1] = value
        elif step < self.steps[-1]:
            raise ValueError(f"{step} is before {self.steps[-1]}")
        elif value != self.values[-1]:
            self.steps.append(step)
            self.values.append(value)
        return self

    def at(self, step):
        return self.values[bisect.bisect_right(self.steps, step) - 1]

    def pieces(self, start, end):
        """(start, end, value) of each constant part within the span."""
        at = max(bisect.bisect_right(self.steps, start) - 1, 0)
        while at < len(self.steps) and self.steps[at] < end:
            until = self.steps[at + 1] if at + 1 < len(self.steps) else end
            yield max(self.steps[at], start), min(until, end), self.values[at]
            at += 1

    def spans(self, end, test):
        """Where the value passes the test."""
        return union([(a, b) for a, b, value in self.pieces(0, end) if test(value)])
