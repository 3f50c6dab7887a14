"""What producers sent, what they were told, what consumers saw; and what of it cannot be.

A history is filled while a server is killed again and again, and judged afterwards by `anomalies`. Values are unique texts.
The last reading of each partition, made when everything is quiet, says what is in the log. Kinds of anomalies:

lost        acknowledged or committed, not there
doubled     one value at two offsets
reordered   one producer's records of a partition in another order than sent
aborted     a record of an aborted transaction is visible to a reader of committed records
torn        a transaction is there in parts
phantom     a value that nobody sent
offset      an offset with two values, or another one than was acknowledged, or with a hole that no marker explains
reader      a reader went back, left something out, or saw what is gone now
copied      an input record was copied twice, or not although its group's position is behind it
"""
import collections

ACKNOWLEDGED, UNKNOWN, COMMITTED, ABORTED = 'acknowledged', 'unknown', 'committed', 'aborted'

Anomaly = collections.namedtuple('Anomaly', 'kind text')


class Record:
    """A record sent: its place among its producer's records of that partition, and what became of it."""
    __slots__ = ('producer', 'partition', 'sequence', 'transaction', 'outcome', 'offset', 'source')

    def __init__(self, producer, partition, sequence, transaction=None, source=None):
        self.producer, self.partition, self.sequence, self.transaction, self.source = producer, partition, sequence, transaction, source
        self.outcome, self.offset = UNKNOWN, None

    def acknowledged(self, offset):
        self.outcome, self.offset = ACKNOWLEDGED, offset


class Reading:
    """What one reader saw of one partition, in the order in which it saw it."""

    def __init__(self, reader, partition, committed, last=False):
        self.reader, self.partition, self.committed, self.last = reader, partition, committed, last
        self.seen = []  # (offset, value)


class History:
    """Partitions are (topic, number)."""

    def __init__(self):
        self.records = {}  # value -> Record
        self.transactions = {}  # name -> COMMITTED, ABORTED or UNKNOWN
        self.readings = []
        self.positions = {}  # input partition -> position committed by the group that copies
        self.ends = {}  # partition -> offset after the last one, of records and markers
        self.starts = {}  # partition -> first offset, where it is not 0
        self.copies_from = set()  # input partitions that are copied

    def sent(self, value, producer, partition, sequence, transaction=None, source=None):
        record = self.records[value] = Record(producer, partition, sequence, transaction, source)
        return record


def anomalies(history):
    """Returns everything that cannot be, as a list of Anomaly."""
    found = []
    tell = lambda kind, text: found.append(Anomaly(kind, text))
    last = {reading.partition: reading for reading in history.readings if reading.last and reading.committed}
    place = {}  # value -> (partition, offset) of the last reading
    for partition, reading in last.items():
        for offset, value in reading.seen:
            if value in place:
                tell('doubled', f'{value} at {place[value]} and at {(partition, offset)}')
            place[value] = (partition, offset)
    check_records(history, last, place, tell)
    check_transactions(history, last, place, tell)
    check_order(history, last, tell)
    check_offsets(history, tell)
    check_holes(history, tell)
    check_readers(history, last, tell)
    check_copies(history, place, tell)
    return found


def check_records(history, last, place, tell):
    for value, record in history.records.items():
        if record.partition not in last:
            continue
        at = place.get(value)
        promised = record.outcome == ACKNOWLEDGED and record.transaction is None
        if promised and at is None:
            tell('lost', f'{value} was acknowledged at {record.partition} {record.offset}')
        if at and at[0] != record.partition:
            tell('phantom', f'{value} was sent to {record.partition} and is in {at[0]}')
        if at and record.offset is not None and at[1] != record.offset:
            tell('offset', f'{value} was acknowledged at {record.offset} and is at {at[1]}')
    for value in place:
        if value not in history.records:
            tell('phantom', f'{value} at {place[value]} was never sent')


def check_transactions(history, last, place, tell):
    members = collections.defaultdict(list)
    for value, record in history.records.items():
        if record.transaction is not None:
            members[record.transaction].append(value)
    for name, values in members.items():
        outcome = history.transactions.get(name, UNKNOWN)
        there = [value for value in values if value in place]
        missing = [value for value in values if value not in place]
        if outcome == COMMITTED:
            for value in missing:
                tell('lost', f'{value} of the committed transaction {name}')
        if outcome == ABORTED:
            for value in there:
                tell('aborted', f'{value} of the aborted transaction {name} at {place[value]}')
        # What was never acknowledged may be missing from a transaction whose end is not known only if all is.
        if outcome != ABORTED and there and missing:
            tell('torn', f'transaction {name}: {len(there)} records are there, {len(missing)} are not, such as {missing[0]}')
    aborted = {value for name, outcome in history.transactions.items() if outcome == ABORTED for value in members[name]}
    for reading in history.readings:
        if reading.committed and not reading.last:
            for offset, value in reading.seen:
                if value in aborted:
                    tell('aborted', f'{reading.reader} saw {value} of an aborted transaction at {reading.partition} {offset}')


def check_order(history, last, tell):
    for partition, reading in last.items():
        newest = {}  # producer -> (sequence, value)
        for offset, value in reading.seen:
            record = history.records.get(value)
            if record is None:
                continue
            before = newest.get(record.producer)
            if before and record.sequence < before[0]:
                tell('reordered', f'{value} at {partition} {offset} is behind {before[1]}')
            else:
                newest[record.producer] = (record.sequence, value)


def check_offsets(history, tell):
    """One offset has one value, whoever looks and whenever."""
    values = {}
    for reading in history.readings:
        for offset, value in reading.seen:
            other = values.setdefault((reading.partition, offset), value)
            if other != value:
                tell('offset', f'{reading.partition} {offset} is {other} and, for {reading.reader}, {value}')
    for value, record in history.records.items():
        if record.offset is not None:
            other = values.get((record.partition, record.offset))
            if other not in (None, value):
                tell('offset', f'{record.partition} {record.offset} was acknowledged for {value} and is {other}')


def check_holes(history, tell):
    """Between records there are only transaction markers, one for each transaction at most."""
    touched = collections.defaultdict(set)
    for record in history.records.values():
        if record.transaction is not None:
            touched[record.partition].add(record.transaction)
    for reading in history.readings:
        if not reading.last or reading.committed or reading.partition not in history.ends:
            continue
        offsets = {offset for offset, _ in reading.seen}
        span = history.ends[reading.partition] - history.starts.get(reading.partition, 0)
        holes = span - len(offsets)
        if holes > len(touched[reading.partition]):
            tell('offset', f'{reading.partition} has {holes} offsets without a record and {len(touched[reading.partition])} transactions')


def check_readers(history, last, tell):
    for reading in history.readings:
        if reading.last:
            continue
        before = None
        for offset, value in reading.seen:
            if before is not None and offset <= before:
                tell('reader', f'{reading.reader} saw {reading.partition} {offset} after {before}')
            before = offset
        final = last.get(reading.partition)
        if final is None or not reading.committed or not reading.seen:
            continue
        seen, there = set(reading.seen), set(final.seen)
        for offset, value in seen - there:
            tell('reader', f'{reading.reader} saw {value} at {reading.partition} {offset}, which is gone')
        first, end = reading.seen[0][0], max(offset for offset, _ in reading.seen)
        for offset, value in there - seen:
            if first <= offset <= end:
                tell('reader', f'{reading.reader} has left out {value} at {reading.partition} {offset}')


def check_copies(history, place, tell):
    """What is copied from an input partition: each record below the group's position once, none behind it."""
    copied = collections.defaultdict(list)  # (input partition, offset) -> values
    for value in place:
        record = history.records.get(value)
        if record is not None and record.source is not None:
            copied[record.source].append(value)
    for source, values in copied.items():
        if len(values) > 1:
            tell('copied', f'{source} was copied as {values[0]} and as {values[1]}')
        if source[1] >= history.positions.get(source[0], 0):
            tell('copied', f'{source} was copied, but the position is {history.positions.get(source[0], 0)}')
    inputs = {reading.partition: reading for reading in history.readings if reading.last and reading.committed}
    for partition in history.copies_from:
        for offset, value in inputs[partition].seen if partition in inputs else ():
            if offset < history.positions.get(partition, 0) and (partition, offset) not in copied:
                tell('copied', f'{value} at {partition} {offset} was not copied, the position is {history.positions[partition]}')
