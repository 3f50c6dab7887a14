#!/usr/bin/env python3
"""Runs unmodified Kafka clients against a Tripline server, each in a script of its own.

usage: run.py [--binary target/debug/tripline] [--only NAME,NAME] [--work target/clients]

Python and JavaScript packages and Go modules are installed by name into the work folder. What is not there (node, go, kcat, java)
is skipped and said so. Every script gets BOOTSTRAP and, for logins, BOOTSTRAP_SASL_SSL and CA_FILE. Ends with
'N passed, N failed, N skipped'.
"""
import argparse, os, pathlib, re, shutil, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = ['confluent-kafka', 'kafka-python', 'aiokafka', 'lz4', 'python-snappy', 'zstandard']
NODE = ['kafkajs', '@platformatic/kafka']
USER, PASSWORD = 'analyst', 'correct horse'

ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(ROOT / 'target/debug/tripline'))
ap.add_argument('--only', default='')
ap.add_argument('--work', default=str(ROOT / 'target/clients'))
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)


def quiet(*command, cwd=work):
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def python():
    interpreter = work / 'venv/bin/python'
    if not interpreter.exists():
        quiet(sys.executable, '-m', 'venv', str(work / 'venv'))
        quiet(str(interpreter), '-m', 'pip', 'install', *PYTHON)
    return str(interpreter)


def node():
    if not shutil.which('npm'):
        return None
    if not (work / 'node_modules').exists():
        (work / 'package.json').write_text('{"private": true}')
        quiet('npm', 'install', *NODE)
    return 'node'


def go():
    if not shutil.which('go'):
        return None
    folder = work / 'go'
    if not (folder / 'clients').exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(HERE / 'go', folder)
        quiet('go', 'mod', 'init', 'clients', cwd=folder)
        quiet('go', 'mod', 'tidy', cwd=folder)
        quiet('go', 'build', '-o', 'clients', '.', cwd=folder)
    return str(folder / 'clients')


def certificates(folder):
    """A certificate for 127.0.0.1 that signs itself."""
    quiet('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'ca.pem',
          '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', cwd=folder)
    (folder / 'store.pem').write_text((folder / 'key.pem').read_text() + (folder / 'ca.pem').read_text())
    return folder / 'store.pem', folder / 'ca.pem'


def command(name, path):
    if path.suffix == '.py':
        return [python(), str(path)]
    if path.suffix in ('.js', '.mjs'):
        # Modules are looked for beside the script.
        shutil.copy(path, work / path.name)
        return node() and [node(), str(work / path.name)]
    if path.suffix == '.sh':
        tool = {'kcat': 'kcat', 'java': 'java'}[name]
        there = shutil.which(tool) and (name != 'java' or shutil.which('mvn'))
        return there and ['bash', str(path)]
    return None


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    store, ca = certificates(folder)
    server = subprocess.Popen(
        [a.binary, 'server', '--data', str(folder / 'data'), '--listen', '127.0.0.1:0', '--kafka-listen', '127.0.0.1:0',
         '--kafka-listen', 'SASL_SSL://127.0.0.1:0', '--set', 'num.partitions=4', '--set', f'ssl.keystore.location={store}',
         '--set', f'plain.sasl.jaas.config=user_{USER}="{PASSWORD}"'],
        stdout=subprocess.PIPE, stderr=open(work / 'server.log', 'w'), text=True)
    try:
        addresses = []
        while len(addresses) < 2:
            line = server.stdout.readline()
            if not line:
                sys.exit(f'the server did not start, see {work}/server.log')
            addresses += re.findall(r'Kafka clients on (\S+)', line)
        env = dict(os.environ, BOOTSTRAP=addresses[0], BOOTSTRAP_SASL_SSL=addresses[1], CA_FILE=str(ca), SASL_USER=USER, SASL_PASSWORD=PASSWORD,
                   KAFKA_TOOLS=str(ROOT.parent / 'shared/tools/apache_kafka.py'))
        only = set(filter(None, a.only.split(',')))
        scripts = {path.stem: path for path in sorted(HERE.iterdir()) if path.suffix in ('.py', '.js', '.mjs', '.sh') and path.stem != 'run'}
        jobs = {name: lambda name=name, path=path: command(name, path) for name, path in scripts.items()}
        for name in ('franz-go', 'sarama'):
            jobs[name] = lambda name=name: go() and [go(), name]
        count = {'passed': 0, 'failed': 0, 'skipped': 0}
        for name, make in jobs.items():
            if only and name not in only:
                continue
            line, started = make(), time.time()
            if not line:
                verdict, text = 'skipped', 'it is not installed'
            else:
                try:
                    done = subprocess.run(line, env=env, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
                    verdict = 'passed' if done.returncode == 0 else 'failed'
                    text = '' if verdict == 'passed' else done.stdout[-1500:]
                except subprocess.TimeoutExpired:
                    verdict, text = 'failed', 'time limit'
            count[verdict] += 1
            print(f'{name:16} {verdict:8} {time.time() - started:5.1f} s  {text}', flush=True)
    finally:
        server.terminate()
        server.wait(10)
print(', '.join(f'{number} {what}' for what, number in count.items()))
sys.exit(1 if count['failed'] else 0)
