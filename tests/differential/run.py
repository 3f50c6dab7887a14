#!/usr/bin/env python3
"""Carries out the same operations against Apache Kafka and against Tripline and compares every field of every answer.

usage: run.py [--binary target/debug/tripline] [--only TEXT] [--kafka HOST:PORT,HOST:SASLPORT --tripline HOST:PORT,HOST:SASLPORT] [--verbose] [--table]

Kafka is fetched and started by ../shared/tools/apache_kafka.py (Java and Maven; without them the test is skipped). Differences stand as
`operation: field: kafka=… tripline=…`. Those of known.py are expected, with the reason that docs/reference/differences-from-kafka.md gives:
one that no longer occurs is a failure too. --table prints the table of that page. Ends with 'N passed, N failed, N skipped'.
"""
import argparse
import importlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import known
import messages
from compare import differences
from harness import OPERATIONS, Side

# How often an operation that differs is carried out again, and how many operations may agree only then.
AGAIN_MAX, LATE_MAX = 2, 5
TOOL = ROOT.parent / 'shared/tools/apache_kafka.py'
AREAS = sorted(path.stem for path in (HERE / 'operations').glob('[a-z]*.py'))
USERS = 'user_admin="admin" user_alice="alice"'
# What differs between the two by default and is not what this test is about.
SETTINGS = {'num.partitions': '2', 'group.initial.rebalance.delay.ms': '0', 'group.min.session.timeout.ms': '1000', 'super.users': 'User:ANONYMOUS;User:admin',
            'allow.everyone.if.no.acl.found': 'false', 'transaction.max.timeout.ms': '120000'}


class Broker:
    def __init__(self, name, definitions, addresses, tag):
        self.tag = tag
        self.name, self.messages = name, definitions
        self.addresses = dict(zip(('plain', 'sasl'), addresses))
        self.ports = {int(address.rsplit(':', 1)[1]) for address in addresses}
        self.topic_names = {}

    def warm_up(self):
        """Waits until both coordinators are there."""
        side = Side(self, 'warm.up')
        for kind in (0, 1):
            side.do('FindCoordinator', 3, key='x', keyType=kind)
        side.do('InitProducerId', 4, transactionalId='warm up', transactionTimeoutMs=1000)
        side.do('OffsetFetch', 7, groupId='warm up', topics=None, requireStable=False)
        side.close()

    def carry_out(self, name, function):
        side = Side(self, name)
        try:
            function(side)
        except Exception as error:
            side.recorded.append(('failure', {'error': f'{type(error).__name__}: {error}', 'at': traceback.extract_tb(error.__traceback__)[-1].lineno}))
        finally:
            side.close()
        return side.recorded


def free_ports(count):
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start_kafka(folder):
    """Returns its two addresses. The tool takes two ports that follow each other."""
    while True:
        port, sasl = free_ports(2)
        with socket.socket() as s:
            if s.connect_ex(('127.0.0.1', port + 1)):
                break
    settings = dict(SETTINGS)
    settings |= {
        'listeners': f'PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1},SASL_PLAINTEXT://127.0.0.1:{sasl}',
        'advertised.listeners': f'PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl}',
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        'listener.name.sasl_plaintext.plain.sasl.jaas.config': f'org.apache.kafka.common.security.plain.PlainLoginModule required {USERS};',
        'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        'listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        # Assignments at once, not after a second.
        'group.consumer.assignment.interval.ms': '0',
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    }
    arguments = [part for name, value in settings.items() for part in ('--set', f'{name}={value}')]
    subprocess.run([sys.executable, str(TOOL), 'start', '--port', str(port), '--dir', str(folder), *arguments], check=True, stdout=subprocess.DEVNULL)
    return [f'127.0.0.1:{port}', f'127.0.0.1:{sasl}']


def start_tripline(binary, folder):
    """Returns its process and its two addresses."""
    http, port, sasl = free_ports(3)
    settings = dict(SETTINGS)
    settings |= {'plain.sasl.jaas.config': USERS}
    command = [str(binary), 'server', '--data', str(folder), '--listen', f'127.0.0.1:{http}', '--kafka-listen', f'PLAINTEXT://127.0.0.1:{port}',
               '--kafka-listen', f'SASL_PLAINTEXT://127.0.0.1:{sasl}']
    for name, value in settings.items():
        command += ['--set', f'kafka.{name}={value}']
    with open(folder.parent / 'tripline.log', 'w') as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    wait_for(port, process, folder.parent / 'tripline.log')
    return process, [f'127.0.0.1:{port}', f'127.0.0.1:{sasl}']


def wait_for(port, process, log):
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.05)
    process.kill()
    sys.exit(f'tripline did not start:\n{log.read_text()}')


def carry_out_all(broker, chosen, results):
    broker.warm_up()
    for name, function in chosen:
        results[name] = broker.carry_out(name, function)


def shown(value):
    text = repr(value)
    return text if len(text) < 200 else text[:200] + '…'


def compared(name, left, right, used):
    """Returns the lines about what differs and is not known, and those about what is; notes the known kinds."""
    new, old = [], []
    if 'failure' in dict(left):
        new.append(f'{name}: the operation itself failed on kafka: {dict(left)["failure"]}')
    steps = [step for step, _ in left] + [step for step, _ in right if step not in dict(left)]
    for step in steps:
        for path, a, b in differences(dict(left).get(step, {}), dict(right).get(step, {})):
            line = f'{name}: {step}: {path}: kafka={shown(a)} tripline={shown(b)}'
            if found := known.find(name, f'{step}: {path}', a, b):
                used.add((found[0].id, found[1]))
                old.append(f'{line}  (known: {found[0].id})')
            else:
                new.append(line)
    return new, old


def carry_out_both(brokers, chosen):
    """Returns for each operation what the two brokers answered."""
    results = [{}, {}]
    threads = [threading.Thread(target=carry_out_all, args=(broker, chosen, result)) for broker, result in zip(brokers, results)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: (results[0][name], results[1][name]) for name, _ in chosen}


def judge(brokers, chosen, is_whole, verbose):
    """Carries out all operations and tells what differs. Returns how many passed and failed."""
    used, explained = set(), 0
    answers = carry_out_both(brokers, chosen)
    failures = {}
    for name, function in chosen:
        new, old = compared(name, *answers[name], used)
        explained += len(old)
        if verbose:
            print(*old, sep='\n')
        if new:
            failures[name] = (function, new)
    late = 0
    # Kafka's parts hear of new topics, rules and settings one after the other: what differs must differ under another name too.
    for turn in range(AGAIN_MAX):
        if not failures:
            break
        for broker in brokers:
            broker.tag += f'again{turn}'
        answers = carry_out_both(brokers, [(name, function) for name, (function, _) in failures.items()])
        for name, (function, before) in list(failures.items()):
            new, _ = compared(name, *answers[name], used)
            if new:
                failures[name] = (function, new)
            else:
                print(f'{name}: differed once and not again, for example {before[0]}')
                late += 1
                del failures[name]
    for _, new in failures.values():
        print(*new, sep='\n')
    gone = gone_differences(used) if is_whole else []
    if gone:
        # Some of Kafka's depend on which of its threads is first.
        print(f'once more, as these known differences did not occur: {gone}', flush=True)
        for broker in brokers:
            broker.tag += 'more'
        for name, answer in carry_out_both(brokers, chosen).items():
            compared(name, *answer, used)
        gone = gone_differences(used)
    for id, part in gone:
        print(f'FAILED: known difference "{id}" does not occur any more in {part}')
    if late > LATE_MAX:
        print(f'FAILED: {late} operations agreed at another try only, {LATE_MAX} may')
    print(f'{len(chosen)} operations, {late} of them at another try; {explained} differences of {len({id for id, _ in used})} known kinds')
    return len(chosen) - len(failures), len(failures) + len(gone) + (late > LATE_MAX)


def gone_differences(used):
    return [(entry.id, part) for entry in known.KNOWN for part in entry.gone(used)]


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument('--binary', default=str(ROOT / 'target/debug/tripline'))
    ap.add_argument('--only', default='')
    ap.add_argument('--kafka', default='')
    ap.add_argument('--tripline', default='')
    ap.add_argument('--tag', default='', help='ends all names, for brokers that have seen this test before')
    ap.add_argument('--verbose', action='store_true')
    ap.add_argument('--table', action='store_true')
    a = ap.parse_args()
    if a.table:
        print(known.table(), end='')
        return 0
    told = known.untold(ROOT / 'docs/reference/differences-from-kafka.md')
    for line in told:
        print(line)
    if not a.kafka and not (shutil.which('java') and shutil.which('mvn') and TOOL.exists()):
        print('skipped: java, mvn or the tool that starts Apache Kafka is not here')
        print(f'{0 if told else 1} passed, {len(told)} failed, 1 skipped')
        return 1 if told else 0
    for area in AREAS:
        importlib.import_module(f'operations.{area}')
    chosen = [(name, function) for name, function in OPERATIONS if a.only in name]
    started = time.monotonic()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix='differential-'))
    process = None
    try:
        kafka_at = a.kafka.split(',') if a.kafka else start_kafka(scratch / 'kafka')
        jar = next(pathlib.Path(os.environ.get('XDG_CACHE_HOME', pathlib.Path.home() / '.cache')).glob('apache-kafka/*/lib/kafka-clients-*.jar'))
        definitions = messages.load(jar)
        if a.tripline:
            tripline_at = a.tripline.split(',')
        else:
            (scratch / 'tripline').mkdir()
            process, tripline_at = start_tripline(a.binary, scratch / 'tripline')
        ready_s = time.monotonic() - started
        brokers = [Broker(name, definitions, at, a.tag) for name, at in (('kafka', kafka_at), ('tripline', tripline_at))]
        passed, failed = judge(brokers, chosen, not a.only, a.verbose)
    finally:
        if process:
            process.terminate()
            process.wait()
        if (scratch / 'kafka').exists():
            subprocess.run([sys.executable, str(TOOL), 'stop', '--dir', str(scratch / 'kafka')], check=False)
        shutil.rmtree(scratch, ignore_errors=True)
    print(f'the brokers were ready after {ready_s:.0f} s, the operations done after {time.monotonic() - started:.0f} s')
    failed += len(told)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
