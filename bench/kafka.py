#!/usr/bin/env python3
"""Measures the Kafka side of a Tripline server, with Apache Kafka beside it: the same commands, one after the other.

usage: kafka.py [--binary target/release/tripline] [--only PART,PART] [--records N] [--partitions N] [--work target/bench-kafka]

PARTs: produce   records/s in, by Kafka's own producer-perf and by librdkafka's rdkafka_performance: 300-byte records, acks=all, the clients'
                 own batches, a fifth more of them before for Java to get warm. Tripline answers after fsync; Apache Kafka is measured
                 without (its default) and with flush.messages=1
       consume   records/s out of what was produced, by consumer-perf and rdkafka_performance
       latency   50,000 records/s, from send to acknowledgement, after 5 s to get warm
       idle      memory after a start on an empty folder
       connections   memory with 10,000 idle connections
       start     start on 10 GB of log (--gigabytes): after a clean stop, after SIGKILL
With --rounds 2 and so on the brokers take turns in the first three, four times as often in consume; the best round counts, for everybody.

Apache Kafka and its tools need Java, Maven and ../shared/tools/apache_kafka.py, rdkafka_performance gcc and make (its source is that of the
crate rdkafka-sys); what is missing is skipped and said so. Ends with a table and 'N measured, N skipped'.
"""
import argparse, glob, os, pathlib, re, resource, shutil, signal, socket, struct, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / '../shared/tools/apache_kafka.py'
RECORD_BYTES = 300
# Reading takes two seconds, in which Java gets warm: so often in each round.
READS = 4
# This part of the records is read. Who comes to the end of one partition waits half a second there, in which it asks for no other.
READ_PART = 0.95
PARTS = ['idle', 'produce', 'consume', 'latency', 'connections', 'start']

ap = argparse.ArgumentParser(usage=__doc__)
ap.add_argument('--binary', default=str(ROOT / 'target/release/tripline'))
ap.add_argument('--only', default=','.join(PARTS))
ap.add_argument('--records', type=int, default=5_000_000)
ap.add_argument('--partitions', type=int, default=4)
ap.add_argument('--rounds', type=int, default=1)
ap.add_argument('--gigabytes', type=int, default=10)
ap.add_argument('--connections', type=int, default=10_000)
ap.add_argument('--clients', default='java,rdkafka')
ap.add_argument('--no-kafka', action='store_true', help='without Apache Kafka beside it')
ap.add_argument('--kafka', default='', help='HOST:PORT of an Apache Kafka that runs already (with its pid after a comma, for its memory)')
ap.add_argument('--work', default=str(ROOT / 'target/bench-kafka'))
a = ap.parse_args()
parts = [part for part in a.only.split(',') if part]
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)
rows, skipped = [], []


def row(what, ours, unsynced=None, synced=None, unit='', more=''):
    """Keeps and prints a line of the table: our figure and Apache Kafka's."""
    def ratio(theirs):
        return f'{theirs:,.{1 if theirs < 100 else 0}f} ({ours / theirs:.2f} ×)' if theirs else '–'
    rows.append((what, f'{ours:,.{1 if ours < 100 else 0}f} {unit}', ratio(unsynced), ratio(synced), more))
    print(' | '.join(rows[-1]), flush=True)


def skip(what):
    skipped.append(what)
    print(f'skipped: {what}', flush=True)


class Tripline:
    def __init__(self, folder):
        self.folder, self.log = folder, open(work / 'tripline.log', 'a')
        self.start()

    def start(self):
        begin = time.perf_counter()
        command = [a.binary, 'server', '--data', str(self.folder), '--listen', '127.0.0.1:0', '--kafka-listen', '127.0.0.1:0', '--set', 'max.connections=20000']
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            found = re.search(r'Kafka clients on (\S+)', line)
            if found:
                self.bootstrap, self.pid = found.group(1), self.process.pid
                return time.perf_counter() - begin
        sys.exit('the server did not start, see ' + str(work / 'tripline.log'))

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()


class ApacheKafka:
    """Apache Kafka on one node; `flush.messages` is a setting of each topic."""
    def __init__(self):
        self.ours = not a.kafka
        if a.kafka:
            self.bootstrap, _, pid = a.kafka.partition(',')
            self.pid = int(pid or 0)
            return
        self.folder = work / 'apache-kafka'
        shutil.rmtree(self.folder, ignore_errors=True)
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        subprocess.run([sys.executable, TOOLS, 'start', '--port', str(port), '--dir', self.folder], check=True, stdout=subprocess.DEVNULL)
        self.bootstrap = f'127.0.0.1:{port}'
        self.pid = int((self.folder / 'node-1/pid').read_text())

    def end(self):
        if self.ours:
            subprocess.run([sys.executable, TOOLS, 'stop', '--dir', self.folder])
            shutil.rmtree(self.folder, ignore_errors=True)


def memory_mb(pid, field='VmRSS'):
    text = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(re.search(field + r':\s+(\d+)', text).group(1)) / 1024


def cpu_s(pid):
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def tool(name, *arguments):
    done = subprocess.run([sys.executable, TOOLS, 'tool', name, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{name} failed: {done.stdout[-500:]}{done.stderr[-1500:]}')
    return done.stdout


def rdkafka_performance():
    """Builds librdkafka's own measuring program, once."""
    program = work / 'librdkafka/examples/rdkafka_performance'
    if program.exists():
        return program
    found = sorted(glob.glob(os.environ.get('CARGO_HOME', os.path.expanduser('~/.cargo')) + '/registry/src/*/rdkafka-sys-*/librdkafka'))
    if not found or not shutil.which('gcc'):
        return None
    shutil.copytree(found[-1], work / 'librdkafka', dirs_exist_ok=True)
    for path in (work / 'librdkafka').rglob('*'):
        if path.is_file() and (path.suffix in ('.sh', '.py') or path.name == 'configure' or 'mklove' in path.parts):
            path.chmod(0o755)
    run = lambda *command: subprocess.run(command, cwd=work / 'librdkafka', check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    run('./configure', '--disable-debug-symbols')
    run('make', '-j2', 'libs')
    run('make', '-C', 'examples', 'rdkafka_performance')
    return program


def messages_per_second(command, pattern):
    """Runs librdkafka's own measuring program and returns the last rate it tells."""
    out = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=dict(os.environ, LD_LIBRARY_PATH=str(work / 'librdkafka/src')))
    found = re.findall(r'\d+ ' + pattern, out.stdout + out.stderr, re.S)
    if not found:
        sys.exit(f'rdkafka_performance: {out.stdout[-800:]}{out.stderr[-800:]}')
    return float(found[-1])


def ask(bootstrap, key, version, body, wait=30):
    """Sends one request by hand and returns the answer's body."""
    host, port = bootstrap.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=wait) as s:
        return talk(s, key, version, body)


def talk(s, key, version, body):
    request = struct.pack('>hhih5s', key, version, 7, 5, b'bench') + body
    s.sendall(struct.pack('>i', len(request)) + request)
    answer, length = b'', 4
    while len(answer) < length:
        more = s.recv(length - len(answer))
        if not more:
            sys.exit('the server closed the connection')
        answer += more
        if length == 4 and len(answer) == 4:
            length = 4 + struct.unpack('>i', answer)[0]
    return answer[8:]


def create_topic(broker, topic, settings={}):
    text = lambda value: struct.pack('>h', len(value)) + value.encode()
    configs = b''.join(text(name) + text(value) for name, value in settings.items())
    body = struct.pack('>i', 1) + text(topic) + struct.pack('>ihii', a.partitions, 1, 0, len(settings)) + configs + struct.pack('>i?', 30000, False)
    answer = ask(broker.bootstrap, 19, 2, body)
    error = struct.unpack('>h', answer[8 + 2 + len(topic):][:2])[0]
    if error not in (0, 36):
        sys.exit(f'topic {topic} was not made: error {error}')


def topic_name(broker, client, synced):
    return f'bench-{client}-{"synced" if synced else "plain"}' if isinstance(broker, ApacheKafka) else f'bench-{client}'


def produce(broker, client, synced, throughput=-1, records=None, topic=None, warm_up=None):
    """Returns what one producer reached: records/s, percentiles in ms, the broker's CPU seconds and memory in MB."""
    records, topic = records or a.records, topic or topic_name(broker, client, synced)
    warm_up = records // 5 if warm_up is None else warm_up
    create_topic(broker, topic, {'flush.messages': '1'} if synced and isinstance(broker, ApacheKafka) else {})
    # What earlier runs left in memory would be written under this one.
    os.sync()
    cpu = cpu_s(broker.pid) if broker.pid else 0
    if client == 'java':
        out = tool('producer-perf', '--topic', topic, '--num-records', records + warm_up, '--warmup-records', warm_up, '--record-size', RECORD_BYTES, '--throughput', throughput,
                   '--bootstrap-server', broker.bootstrap, '--command-property', 'acks=all')
        last = [line for line in out.splitlines() if 'records sent' in line][-1]
        result = {'rate': float(re.search(r'([\d.]+) records/sec', last).group(1))}
        result.update({p: float(found.group(1)) for p in ('50th', '99th', '99.9th') if (found := re.search(rf'([\d.]+) ms {re.escape(p)}', last))})
    else:
        command = [rdkafka, '-P', '-t', topic, '-b', broker.bootstrap, '-s', RECORD_BYTES, '-c', records, '-a', -1, '-q', '-X', 'partitioner=random']
        result = {'rate': messages_per_second(command, r'messages produced.*?(\d+) msgs/s')}
    if broker.pid:
        result.update(cpu=cpu_s(broker.pid) - cpu, memory=memory_mb(broker.pid))
    return result


def consume(broker, client, synced):
    topic, records = topic_name(broker, client, synced), int(a.records * READ_PART)
    cpu = cpu_s(broker.pid) if broker.pid else 0
    if client == 'java':
        out = tool('consumer-perf', '--bootstrap-server', broker.bootstrap, '--topic', topic, '--num-records', records)
        fields = [float(field) for field in out.strip().splitlines()[-1].split(',')[2:]]
        result = {'rate': fields[7], 'whole': fields[3]}
    else:
        command = [rdkafka, '-C', '-t', topic, '-b', broker.bootstrap, '-o', 'beginning', '-c', records, '-B', 10000, '-q']
        for partition in range(a.partitions):
            command += ['-p', partition]
        result = {'rate': messages_per_second(command, r'messages.*?consumed in .*?: (\d+) msgs/s')}
    if broker.pid:
        result.update(cpu=cpu_s(broker.pid) - cpu, memory=memory_mb(broker.pid))
    return result


def take_turns(measure, cases, better=lambda result: result['rate'], rounds=a.rounds):
    """Measures (broker, synced) in turns, as often as asked, and returns the best of each; nothing where there is no broker."""
    results = [[measure(broker, synced) for broker, synced in cases if broker] for _ in range(rounds)]
    best = [max(rounds, key=better) for rounds in zip(*results)]
    return best + [{}] * (len(cases) - len(best))


def costs(result):
    return ', '.join([f'CPU {result["cpu"]:.1f} s'] * ('cpu' in result) + [f'memory {result["memory"]:.0f} MB'] * ('memory' in result))


def measure_load():
    kafka = None
    if not java:
        skip('producer-perf, consumer-perf and Apache Kafka: Java, Maven or apache_kafka.py is missing')
    elif not a.no_kafka:
        kafka = ApacheKafka()
    folder = work / 'data'
    shutil.rmtree(folder, ignore_errors=True)
    tripline = Tripline(folder)
    names = {'java': 'producer-perf', 'rdkafka': 'rdkafka_performance -P'}
    readers = {'java': 'consumer-perf', 'rdkafka': 'rdkafka_performance -C'}
    try:
        for client in [client for client in a.clients.split(',') if (java if client == 'java' else rdkafka)]:
            if 'produce' in parts:
                run = lambda broker, synced: produce(broker, client, synced)
                ours, plain, synced = take_turns(run, [(tripline, True), (kafka, False), (kafka, True)])
                more = f'{ours["rate"] * RECORD_BYTES / 1e6:.0f} MB/s; {costs(ours)}' + (f'; Kafka {costs(plain)}; synced {costs(synced)}' if kafka else '')
                row(f'in, {names[client]}', ours['rate'], plain.get('rate'), synced.get('rate'), 'records/s', more)
            if 'consume' in parts:
                run = lambda broker, synced: consume(broker, client, synced)
                ours, theirs = take_turns(run, [(tripline, True), (kafka, False)], rounds=a.rounds * READS)
                more = f'{ours["rate"] * RECORD_BYTES / 1e6:.0f} MB/s; {costs(ours)}' + (f'; Kafka {costs(theirs)}' if kafka else '')
                row(f'out, {readers[client]}', ours['rate'], theirs.get('rate'), None, 'records/s', more)
        if 'latency' in parts and java and 'java' in a.clients:
            run = lambda broker, synced: produce(broker, 'java', synced, 50_000, 750_000, f'paced-{synced}', 250_000)
            ours, plain, synced = take_turns(run, [(tripline, True), (kafka, False), (kafka, True)], lambda result: -result['99th'])
            for p in ('50th', '99th', '99.9th'):
                row(f'latency at 50,000 records/s, {p}', ours[p], plain.get(p), synced.get(p), 'ms')
        theirs = memory_mb(kafka.pid, 'VmHWM') if kafka and kafka.pid else None
        row('memory, peak', memory_mb(tripline.pid, 'VmHWM'), theirs, None, 'MB')
    finally:
        tripline.end()
        if kafka:
            kafka.end()
        shutil.rmtree(folder, ignore_errors=True)


def measure_idle():
    folder = work / 'idle'
    shutil.rmtree(folder, ignore_errors=True)
    tripline = Tripline(folder)
    time.sleep(5)
    row('memory, idle', memory_mb(tripline.pid), unit='MB')
    tripline.end()


def measure_connections():
    wanted = a.connections + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return skip(f'connections: only {hard} files may be open')
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    folder = work / 'connections'
    shutil.rmtree(folder, ignore_errors=True)
    tripline = Tripline(folder)
    host, port = tripline.bootstrap.rsplit(':', 1)
    sockets = []
    for _ in range(a.connections):
        s = socket.create_connection((host, int(port)))
        talk(s, 18, 0, b'')
        sockets.append(s)
    time.sleep(5)
    memory = memory_mb(tripline.pid)
    # They are alive: each answers once more.
    for s in sockets:
        talk(s, 18, 0, b'')
    row(f'memory, {len(sockets):,} idle connections', memory, unit='MB', more=f'after each has asked again {memory_mb(tripline.pid):.0f} MB')
    for s in sockets:
        s.close()
    tripline.end()


def first_answers(tripline, topic):
    """Asks for versions, metadata and the last record, and returns the last record's offset."""
    host, port = tripline.bootstrap.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=60) as s:
        talk(s, 18, 0, b'')
        name = struct.pack('>h', len(topic)) + topic.encode()
        talk(s, 3, 1, struct.pack('>i', 1) + name)
        offset = struct.unpack('>q', talk(s, 2, 1, struct.pack('>ii', -1, 1) + name + struct.pack('>iiq', 1, 0, -1))[-8:])[0]
        fetch = struct.pack('>iiiib', -1, 500, 1, 1 << 20, 0) + struct.pack('>i', 1) + name + struct.pack('>iiqi', 1, 0, offset - 1, 1 << 20)
        answer = talk(s, 1, 4, fetch)
        if len(answer) < RECORD_BYTES:
            sys.exit('the fetch after the start gave no record')
        return offset


def measure_start():
    if not rdkafka:
        return skip('start: rdkafka_performance cannot be built')
    if shutil.disk_usage(work).free < (a.gigabytes + 5) << 30:
        return skip(f'start: {a.gigabytes} GB do not fit on the disk')
    folder = work / 'start'
    shutil.rmtree(folder, ignore_errors=True)
    tripline = Tripline(folder)
    try:
        begin = time.perf_counter()
        size = lambda: sum(path.stat().st_size for path in folder.rglob('*.log'))
        while size() < a.gigabytes * 10**9:
            produce(tripline, 'rdkafka', True, records=3_000_000, topic='big')
        print(f'{size() / 1e9:.1f} GB written in {time.perf_counter() - begin:.0f} s', flush=True)
        for what, how in (('SIGKILL', signal.SIGKILL), ('a clean stop', signal.SIGTERM), ('SIGKILL again', signal.SIGKILL)):
            before = first_answers(tripline, 'big')
            tripline.end(how)
            begin = time.perf_counter()
            listening = tripline.start()
            after = first_answers(tripline, 'big')
            if after != before:
                sys.exit(f'partition 0 ended at {before} before and ends at {after} after {what}')
            row(f'start on {size() / 1e9:.1f} GB after {what}', (time.perf_counter() - begin) * 1000, unit='ms', more=f'listening after {listening * 1000:.0f} ms, memory {memory_mb(tripline.pid):.0f} MB')
    finally:
        tripline.end(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


java = TOOLS.exists() and shutil.which('java') and shutil.which('mvn')
rdkafka = rdkafka_performance()
if not rdkafka:
    skip('rdkafka_performance: gcc or the source of rdkafka-sys is missing')
if 'idle' in parts:
    measure_idle()
if {'produce', 'consume', 'latency'} & set(parts):
    measure_load()
if 'connections' in parts:
    measure_connections()
if 'start' in parts:
    measure_start()
print('\n| | Tripline | Apache Kafka | Apache Kafka, synced | |\n|---|---|---|---|---|')
for line in rows:
    print('| ' + ' | '.join(line) + ' |')
print(f'{len(rows)} measured, {len(skipped)} skipped')
