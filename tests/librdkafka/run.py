#!/usr/bin/env python3
"""Runs librdkafka's own tests against Tripline, several at once, and compares with expected.txt beside this file.

usage: run.py [--binary target/debug/tripline] [--work target/librdkafka] [--at-once 6] [--only NAME,NAME]

The tests are built by ../shared/tools/librdkafka_suite.py and run one process each, as a failing one ends its process. They are told
that the broker is Kafka 4.1, which is what it claims to be. What runs at once has servers of its own, as some tests look at all topics
and groups there are. A test that fails unexpectedly is tried once more when the others are done; more than AGAIN_MAX of those are a failure.
The tests have the time that librdkafka gives them where the variable CI is set: 0059_bsearch, for one, takes 8 to 10 of its 10 s, against Apache
Kafka too, as the client sleeps for a second after most seeks. The variable itself is kept from them, because 0055_producer_latency skips itself then.
Ends with 'N passed, N failed, N skipped': a miss that the list gives a reason for counts as skipped, a test that ought to pass and skips
itself has failed, and so have fewer than PASSED_MIN passes.
"""
import argparse, collections, os, pathlib, queue, re, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SUITE = ROOT.parent / 'shared/tools/librdkafka_suite.py'
PASSED_MIN = 80
AGAIN_MAX = 3
VERSION = '4.1.0'
# Tests of a setting that Kafka 4 has not any more, and Tripline has.
OLDER = {'0092_mixed_msgver': '3.8.0'}
LIMIT = 180
# What librdkafka's tests multiply their own time limits by.
PATIENCE = 3
SETTINGS = ['num.partitions=4', 'group.initial.rebalance.delay.ms=0']

ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(ROOT / 'target/debug/tripline'))
ap.add_argument('--work', default=str(ROOT / 'target/librdkafka'))
ap.add_argument('--at-once', type=int, default=6)
ap.add_argument('--only', default='')
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)

sys.path.insert(0, str(HERE.parent / 'kill'))
from clients import need_confluent_kafka
need_confluent_kafka(work)

Known = collections.namedtuple('Known', 'name expected seconds reason')


def known(line):
    name, expected, seconds, reason = (line.split(None, 3) + [''])[:4]
    return Known(name, expected, float(seconds), reason)


def build():
    subprocess.run([sys.executable, str(SUITE), '--bootstrap', '127.0.0.1:1', '--build', str(work / 'base'), '--only', 'none'], stdout=subprocess.DEVNULL, check=True)
    scripts = work / 'kafka/bin'
    scripts.mkdir(parents=True, exist_ok=True)
    for tool in ('topics', 'acls'):
        script = scripts / f'kafka-{tool}.sh'
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/kafka_tool.py {tool} "$@"\n')
        script.chmod(0o755)
    return work / 'base/librdkafka/tests'


class Lane:
    """A server, and the tests that run against it one after the other."""

    def __init__(self, number):
        self.number, self.data = number, tempfile.TemporaryDirectory(dir=work)
        settings = [part for setting in SETTINGS for part in ('--set', setting)]
        self.log = open(work / f'server-{number}.log', 'w')
        self.server = subprocess.Popen([a.binary, 'server', '--data', self.data.name, '--listen', '127.0.0.1:0', '--kafka-listen', '127.0.0.1:0', *settings],
                                       stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.server.stdout:
            if found := re.search(r'Kafka clients on (\S+)', line):
                break
        else:
            sys.exit(f'the server did not start, see {self.log.name}')
        threading.Thread(target=self.server.stdout.read, daemon=True).start()
        self.address = found.group(1)
        self.conf = work / f'lane-{number}.conf'
        self.conf.write_text(f'metadata.broker.list={self.address}\ntest.timeout.multiplier={PATIENCE}\n')

    def run(self, tests, name):
        """Returns verdict, seconds, why."""
        env = dict(os.environ, LD_LIBRARY_PATH='../src:../src-cpp', RDKAFKA_TEST_CONF=str(self.conf), TEST_KAFKA_VERSION=OLDER.get(name, VERSION), TEST_LEVEL='1', TESTS=name,
                   KAFKA_PATH=str(work / 'kafka'), BROKERS=self.address)
        env.pop('CI', None)
        started = time.time()
        try:
            done = subprocess.run(['./test-runner', '-L', '-Q', '-E', '-p1'], cwd=tests, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return 'failed', time.time() - started, 'time limit'
        text = done.stdout.decode('utf8', 'replace')
        found = re.search(r'\|\S*\s+' + name + r'\s+\|\s+(PASSED|FAILED|SKIPPED)', text)
        verdict = found.group(1).lower() if found else 'failed'
        why = ''
        if verdict == 'failed':
            why = (re.findall(r'[^\n]*(?:failed at|ssertion)[^\n]*', text) or [f'exit code {done.returncode}'])[0]
            (work / f'{name}.log').write_text(text)
        if self.server.poll() is not None:
            verdict, why = 'failed', 'the server ended by itself'
        return verdict, time.time() - started, why

    def close(self):
        self.server.terminate()
        self.server.wait(30)
        self.data.cleanup()


def run_all(tests, names, at_once):
    waiting, results = queue.SimpleQueue(), {}
    for name in names:
        waiting.put(name)

    def work_off(number):
        lane = Lane(number)
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                break
            results[name] = lane.run(tests, name)
        lane.close()
    threads = [threading.Thread(target=work_off, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


started = time.time()
tests = build()
built = time.time()
only = set(filter(None, a.only.split(',')))
expected = [known(line) for line in (HERE / 'expected.txt').read_text().splitlines() if line and not line.startswith('#')]
expected = [test for test in expected if not only or test.name in only]
# The longest first, so that none is left alone at the end.
results = run_all(tests, [test.name for test in sorted(expected, key=lambda test: -test.seconds)], a.at_once)
again = [test.name for test in expected if test.expected == 'passed' and results[test.name][0] == 'failed']
if again:
    print('tried again: ' + ', '.join(f'{name} ({results[name][2].strip()[:120]})' for name in again), flush=True)
    results.update(run_all(tests, again[:10], 1))
count = collections.Counter()
for test in expected:
    verdict, seconds, note = results[test.name]
    if verdict == 'failed' and test.expected == 'failed':
        verdict, note = 'skipped', f'known miss: {test.reason}'
    elif verdict == 'passed' and test.expected != 'passed':
        note = 'passes now: change the list'
    elif verdict == 'skipped' and test.expected == 'passed':
        verdict, note = 'failed', 'skips itself and ought to pass'
    count[verdict] += 1
    print(f'{test.name:40} {verdict:8} {seconds:6.1f} s  {note.strip()[:140]}')
print(f'built in {built - started:.0f} s, run in {time.time() - built:.0f} s')
if not only and count['passed'] < PASSED_MIN:
    print(f"FAILED: {count['passed']} passed, {PASSED_MIN} are asked for")
    count['failed'] = max(count['failed'], 1)
if len(again) > AGAIN_MAX:
    print(f'FAILED: {len(again)} tests needed a second run, {AGAIN_MAX} may')
    count['failed'] = max(count['failed'], 1)
print(f'{len(again)} at the second try or not at all')
print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
sys.exit(1 if count['failed'] else 0)
