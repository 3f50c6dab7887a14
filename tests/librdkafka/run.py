#!/usr/bin/env python3
"""Runs librdkafka's own tests against Tripline, several at once, and compares with expected.txt beside this file.

usage: run.py [--binary target/debug/tripline] [--work target/librdkafka] [--at-once 6] [--only NAME,NAME]

The tests are built and run by ../shared/tools/librdkafka_suite.py, one process each. Those that run at once have servers of their
own, as some look at all topics and groups there are. A test that fails is tried once more when the others are done. Ends with 'N
passed, N failed, N skipped': a miss that the list gives a reason for counts as skipped, and the step fails below PASSED_MIN.
"""
import argparse, collections, json, pathlib, re, shutil, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SUITE = ROOT.parent / 'shared/tools/librdkafka_suite.py'
PASSED_MIN = 80
SETTINGS = ['num.partitions=4', 'group.initial.rebalance.delay.ms=0']

ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(ROOT / 'target/debug/tripline'))
ap.add_argument('--work', default=str(ROOT / 'target/librdkafka'))
ap.add_argument('--at-once', type=int, default=6)
ap.add_argument('--only', default='')
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)


class Known:
    """A line of the list: name, what to expect, seconds it takes, why it is a miss."""

    def __init__(self, line):
        self.name, self.expected, seconds, self.reason = (line.split(None, 3) + [''])[:4]
        self.seconds = float(seconds)


class Shard:
    """Tests that run one after the other against a server of their own."""

    def __init__(self, number, names, base):
        self.names, self.results = names, work / f'results-{number}.json'
        self.build = work / f'shard-{number}'
        shutil.rmtree(self.build, ignore_errors=True)
        # Hard links: what is built is only read; each shard writes its configuration anew.
        subprocess.run(['cp', '-al', str(base), str(self.build)], check=True)
        (self.build / 'librdkafka/tests/tripline.conf').unlink(missing_ok=True)
        self.data = tempfile.TemporaryDirectory(dir=work)
        settings = [part for setting in SETTINGS for part in ('--set', setting)]
        self.server = subprocess.Popen([a.binary, 'server', '--data', self.data.name, '--listen', '127.0.0.1:0', '--kafka-listen', '127.0.0.1:0', *settings],
                                       stdout=subprocess.PIPE, stderr=open(work / f'server-{number}.log', 'w'), text=True)
        for line in self.server.stdout:
            if found := re.search(r'Kafka clients on (\S+)', line):
                break
        else:
            sys.exit(f'the server did not start, see {work}/server-{number}.log')
        self.results.unlink(missing_ok=True)
        self.run = subprocess.Popen([sys.executable, str(SUITE), '--bootstrap', found.group(1), '--build', str(self.build), '--only', ','.join(names), '--json', str(self.results)],
                                    stdout=open(work / f'tests-{number}.log', 'w'), stderr=subprocess.STDOUT)

    def finish(self):
        self.run.wait()
        alive = self.server.poll() is None
        self.server.terminate()
        self.server.wait(30)
        self.data.cleanup()
        found = json.loads(self.results.read_text()) if self.results.exists() else {}
        if not alive:
            print(f'a server ended by itself, see {work}')
        return {name: found.get(name, ('FAILED (not run)', 0, '')) for name in self.names}


def divide(tests, shards):
    """The longest first, each to the shard that has the least to do."""
    parts = [[0.0, []] for _ in range(shards)]
    for known in sorted(tests, key=lambda known: -known.seconds):
        part = min(parts, key=lambda part: part[0])
        part[0] += known.seconds
        part[1].append(known.name)
    return [names for _, names in parts if names]


started = time.time()
base = work / 'base'
subprocess.run([sys.executable, str(SUITE), '--bootstrap', '127.0.0.1:1', '--build', str(base), '--only', 'none'], stdout=subprocess.DEVNULL, check=True)
built = time.time()
only = set(filter(None, a.only.split(',')))
tests = [Known(line) for line in (HERE / 'expected.txt').read_text().splitlines() if line and not line.startswith('#')]
tests = [known for known in tests if not only or known.name in only]
results = {}
for shard in [Shard(number, names, base) for number, names in enumerate(divide(tests, a.at_once))]:
    results.update(shard.finish())
again = [known.name for known in tests if known.expected == 'passed' and not results[known.name][0].startswith('PASSED')]
for name in again[:10]:
    print(f'{name} is tried again: {results[name][0]} {results[name][2][:100]}', flush=True)
    results.update(Shard('again', [name], base).finish())
count = collections.Counter()
for known in tests:
    verdict, seconds, why = results[known.name]
    verdict = verdict.split()[0].lower()
    note = ''
    if verdict == 'failed' and known.expected == 'failed':
        verdict, note = 'skipped', f'known miss: {known.reason}'
    elif verdict == 'failed':
        note = why[:140]
    elif verdict == 'passed' and known.expected == 'failed':
        note = 'no miss any more: change the list'
    count[verdict] += 1
    print(f'{known.name:40} {verdict:8} {seconds:6.1f} s  {note}')
print(f'built in {built - started:.0f} s, run in {time.time() - built:.0f} s')
if not only and count['passed'] < PASSED_MIN:
    print(f"FAILED: {count['passed']} passed, {PASSED_MIN} are asked for")
    count['failed'] = max(count['failed'], 1)
print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
sys.exit(1 if count['failed'] else 0)
