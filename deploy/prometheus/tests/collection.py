"""."""


def hours(bench):
    pass


def weeks(bench):
    pass
