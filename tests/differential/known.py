"""Differences that are meant, each with its reason; docs/reference/differences-from-kafka.md shows the same table."""
import re
from dataclasses import dataclass

BEGIN, END = '<!-- begin: tests/differential/known.py -->', '<!-- end -->'


@dataclass(frozen=True)
class Known:
    id: str
    # Regular expressions: the operation's whole name, something in `step: field`, the whole value on each side.
    operation: str
    field: str
    reason: str
    kafka: str = '.*'
    tripline: str = '.*'

    def explains(self, operation, field, kafka, tripline):
        return bool(re.fullmatch(self.operation, operation) and re.search(self.field, field) and re.fullmatch(self.kafka, str(kafka), re.S)
                    and re.fullmatch(self.tripline, str(tripline), re.S))


KNOWN = [
]


def find(operation, field, kafka, tripline):
    return next((entry for entry in KNOWN if entry.explains(operation, field, kafka, tripline)), None)


def table():
    """The table of the page."""
    return '| Difference | Reason |\n| --- | --- |\n' + ''.join(f'| {entry.id} | {entry.reason} |\n' for entry in KNOWN)


def untold(page):
    """Returns what the page and this table do not agree on."""
    text = page.read_text() if page.exists() else ''
    shown = text.partition(BEGIN)[2].partition(END)[0].strip()
    return [] if shown == table().strip() else [f'{page.name} does not show the table of tests/differential/known.py: run.py --table prints it']
