#!/usr/bin/env python3
"""Runs programs of our own, written against Apache Kafka's Java client, on a Tripline server.

usage: run.py [--binary target/debug/tripline] [--tools ../shared/tools/apache_kafka.py]

Protocol2.java: the second transaction protocol (KIP-890) end to end, with the classic and the consumer group protocol, and the admin
calls that no other client here makes. Its lines begin with 'ok' or 'FAIL'. Without Java or Kafka's jars it says that it is skipped.
Ends with 'N passed, N failed, N skipped'.
"""
import argparse, os, pathlib, re, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(ROOT / 'target/debug/tripline'))
ap.add_argument('--tools', default=str(ROOT / '../shared/tools/apache_kafka.py'))
a = ap.parse_args()


def end(passed, failed, skipped):
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed else 0)


if not shutil.which('javac') or not os.path.exists(a.tools):
    print('skipped: Java or the tool that gets Kafka\'s jars is not here')
    end(0, 0, 1)
subprocess.run([sys.executable, a.tools, 'tool', 'topics', '--version'], check=True, stdout=subprocess.DEVNULL)
cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME', pathlib.Path.home() / '.cache')) / 'apache-kafka'
versions = sorted(path for path in cache.iterdir() if (path / 'complete').exists())
classes = f'{versions[-1]}/lib/*'
passed = failed = 0
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(['javac', '-cp', classes, '-d', folder, str(HERE / 'Protocol2.java')], check=True)
    for protocol in 'classic', 'consumer':
        command = [a.binary, 'server', '--data', f'{folder}/{protocol}', '--listen', '127.0.0.1:0', '--kafka-listen', '127.0.0.1:0']
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            for line in server.stdout:
                if found := re.search(r'Kafka clients on (\S+)', line):
                    break
            out = subprocess.run(['java', '-cp', f'{classes}:{folder}', 'Protocol2', found[1], protocol], capture_output=True, text=True, timeout=150)
            print(f'== group protocol {protocol}\n{out.stdout}', end='')
            if out.returncode:
                print(out.stderr[-3000:])
            oks = len(re.findall('^ok', out.stdout, re.M))
            passed, failed = passed + oks, failed + (oks == 0)
            failed += len(re.findall('^FAIL', out.stdout, re.M)) + (out.returncode != 0)
        finally:
            server.terminate()
            if server.wait(30) != 0:
                print(f'the server ended with {server.returncode}')
                failed += 1
end(passed, failed, 0)
