"""The checker finds what was planted, and nothing where nothing is wrong: python3 -m unittest test_history"""
import random, unittest
from history import ABORTED, COMMITTED, UNKNOWN, History, Reading, anomalies

PLAIN, MOVED, COPY = ('plain', 0), ('moved', 0), ('copy', 0)
OTHER = ('moved', 1)


def sound():
    """A small history in which everything is right, with its readings by partition."""
    history = History()
    log = {PLAIN: [], MOVED: [], OTHER: [], COPY: []}
    ends = dict.fromkeys(log, 0)

    def write(value, producer, partition, transaction=None, source=None):
        record = history.sent(value, producer, partition, int(value.rsplit('.', 1)[1]), transaction, source)
        record.acknowledged(ends[partition])
        log[partition].append((ends[partition], value, transaction))
        ends[partition] += 1

    def end(transaction, outcome, *partitions):
        history.transactions[transaction] = outcome
        for partition in partitions:
            ends[partition] += 1

    for number in range(10):
        write(f'p.{number}', 'p', PLAIN)
    for number, outcome in enumerate([COMMITTED, ABORTED, UNKNOWN, UNKNOWN, COMMITTED]):
        name = f't{number}'
        write(f't.{number * 3}', 't', MOVED, name)
        write(f't.{number * 3 + 1}', 't', OTHER, name)
        write(f't.{number * 3 + 2}', 't', MOVED, name)
        end(name, outcome, MOVED, OTHER)
    for number in range(6):
        write(f'c.{number}', 'c', COPY, f'c{number}', (PLAIN, number))
        end(f'c{number}', COMMITTED, COPY)
    history.positions[PLAIN] = 6
    history.copies_from.add(PLAIN)
    # One of the two unknown ones was committed.
    hidden = {'t1', 't2'}
    readings = {}
    for partition, entries in log.items():
        everything = [(offset, value) for offset, value, _ in entries]
        committed = [(offset, value) for offset, value, transaction in entries if transaction not in hidden]
        for reader, seen, is_committed, last in [('final', committed, True, True), ('all', everything, False, True),
                                                 ('live', committed[1:-1], True, False), ('live all', everything, False, False)]:
            reading = Reading(reader, partition, is_committed, last)
            reading.seen = list(seen)
            history.readings.append(reading)
            readings[reader, partition] = reading
        history.ends[partition] = ends[partition]
    return history, readings


def kinds(history):
    return {anomaly.kind for anomaly in anomalies(history)}


def leave_out(readings, partition, value):
    for reading in readings.values():
        if reading.partition == partition:
            reading.seen = [entry for entry in reading.seen if entry[1] != value]


class Planted(unittest.TestCase):
    def setUp(self):
        self.history, self.readings = sound()

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.assertEqual(anomalies(self.history), [])

    def test_a_record_that_was_never_acknowledged_may_be_missing(self):
        self.history.records['p.9'].outcome, self.history.records['p.9'].offset = UNKNOWN, None
        leave_out(self.readings, PLAIN, 'p.9')
        self.history.ends[PLAIN] = 9
        self.assertEqual(anomalies(self.history), [])

    def test_a_lost_record(self):
        leave_out(self.readings, PLAIN, 'p.9')
        self.history.ends[PLAIN] = 9
        self.assertEqual(kinds(self.history), {'lost'})

    def test_a_doubled_record(self):
        for reader in ('final', 'all'):
            self.readings[reader, PLAIN].seen.append((10, 'p.9'))
        self.history.ends[PLAIN] = 11
        self.assertEqual(kinds(self.history) - {'offset'}, {'doubled'})

    def test_two_records_that_changed_places(self):
        for reader in ('final', 'all', 'live', 'live all'):
            seen = self.readings[reader, PLAIN].seen
            at = [value for _, value in seen].index('p.3')
            seen[at], seen[at + 1] = (seen[at][0], 'p.4'), (seen[at + 1][0], 'p.3')
        self.assertIn('reordered', kinds(self.history))

    def test_two_unacknowledged_records_that_changed_places(self):
        for value in ('p.3', 'p.4'):
            self.history.records[value].outcome, self.history.records[value].offset = UNKNOWN, None
        self.test_two_records_that_changed_places()

    def test_an_aborted_record_at_the_end(self):
        self.readings['final', OTHER].seen.insert(1, (2, 't.4'))
        self.assertIn('aborted', kinds(self.history))

    def test_an_aborted_record_before_the_eyes_of_a_live_reader_only(self):
        self.readings['live', MOVED].seen.insert(1, (3, 't.3'))
        self.assertIn('aborted', kinds(self.history))

    def test_half_of_a_committed_transaction(self):
        leave_out(self.readings, OTHER, 't.1')
        self.assertEqual(kinds(self.history) & {'lost', 'torn'}, {'lost', 'torn'})

    def test_half_of_an_unknown_transaction_within_a_partition(self):
        self.readings['final', MOVED].seen.insert(2, (6, 't.6'))
        self.assertIn('torn', kinds(self.history))

    def test_half_of_an_unknown_transaction_over_partitions(self):
        leave_out(self.readings, OTHER, 't.10')
        self.assertIn('torn', kinds(self.history))

    def test_unknown_transactions_may_end_either_way(self):
        for value, partition, offset in [('t.6', MOVED, 6), ('t.8', MOVED, 7), ('t.7', OTHER, 4)]:
            for reader in ('final', 'live'):
                seen = self.readings[reader, partition].seen
                if seen[0][0] < offset < seen[-1][0]:
                    seen.append((offset, value))
                    seen.sort()
        self.assertEqual(anomalies(self.history), [])

    def test_a_committed_transaction_that_is_gone(self):
        for value in ('t.0', 't.2'):
            leave_out(self.readings, MOVED, value)
        leave_out(self.readings, OTHER, 't.1')
        self.assertIn('lost', kinds(self.history))

    def test_an_offset_used_twice(self):
        self.readings['live all', PLAIN].seen[5] = (5, 'p.77')
        self.assertIn('offset', kinds(self.history))

    def test_an_acknowledgement_with_a_wrong_offset(self):
        self.history.records['p.5'].offset = 6
        self.assertIn('offset', kinds(self.history))

    def test_an_offset_left_out(self):
        for reader in ('final', 'all', 'live', 'live all'):
            reading = self.readings[reader, PLAIN]
            reading.seen = [(offset + (offset > 4), value) for offset, value in reading.seen]
        for record in self.history.records.values():
            if record.partition == PLAIN and record.offset > 4:
                record.offset += 1
        self.history.ends[PLAIN] += 1
        self.assertIn('offset', kinds(self.history))

    def test_more_holes_than_markers(self):
        self.history.ends[MOVED] += 1
        self.assertEqual(kinds(self.history), {'offset'})

    def test_a_record_that_nobody_sent(self):
        self.readings['final', PLAIN].seen.append((10, 'q.0'))
        self.assertIn('phantom', kinds(self.history))

    def test_a_record_in_another_partition(self):
        leave_out(self.readings, OTHER, 't.13')
        self.readings['final', PLAIN].seen.append((10, 't.13'))
        self.assertIn('phantom', kinds(self.history))

    def test_a_reader_that_goes_back(self):
        seen = self.readings['live', PLAIN].seen
        seen.append(seen[2])
        self.assertEqual(kinds(self.history), {'reader'})

    def test_a_reader_that_leaves_something_out(self):
        del self.readings['live', PLAIN].seen[3]
        self.assertEqual(kinds(self.history), {'reader'})

    def test_a_reader_that_saw_what_is_gone(self):
        for reader in ('final', 'all', 'live all'):
            reading = self.readings[reader, PLAIN]
            reading.seen = [entry for entry in reading.seen if entry[1] != 'p.8']
        self.history.records['p.8'].outcome = UNKNOWN
        self.assertIn('reader', kinds(self.history))

    def test_an_input_copied_twice(self):
        record = self.history.sent('c.6', 'c', COPY, 6, 'c6', (PLAIN, 3))
        self.history.transactions['c6'] = COMMITTED
        record.acknowledged(12)
        for reader in ('final', 'all'):
            self.readings[reader, COPY].seen.append((12, 'c.6'))
        self.history.ends[COPY] = 14
        self.assertEqual(kinds(self.history), {'copied'})

    def test_a_position_ahead_of_its_copies(self):
        self.history.positions[PLAIN] = 7
        self.assertEqual(kinds(self.history), {'copied'})

    def test_a_position_behind_its_copies(self):
        self.history.positions[PLAIN] = 5
        self.assertEqual(kinds(self.history), {'copied'})

    def test_any_record_of_any_partition_left_out_is_found(self):
        for (reader, partition), reading in sound()[1].items():
            if reader != 'final':
                continue
            for _, value in reading.seen:
                history, readings = sound()
                leave_out(readings, partition, value)
                self.assertTrue(kinds(history), f'{value} of {partition}')

    def test_any_two_values_exchanged_are_found(self):
        random.seed(1)
        for _ in range(200):
            history, readings = sound()
            reading = readings['final', random.choice([PLAIN, MOVED, OTHER, COPY])]
            left, right = random.sample(range(len(reading.seen)), 2)
            (a, x), (b, y) = reading.seen[left], reading.seen[right]
            reading.seen[left], reading.seen[right] = (a, y), (b, x)
            self.assertTrue(kinds(history))


if __name__ == '__main__':
    unittest.main()
