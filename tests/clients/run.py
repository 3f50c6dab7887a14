#!/usr/bin/env python3
"""Runs unmodified Kafka clients against a Tripline server, each in a script of its own.

usage: run.py [--binary target/debug/tripline] [--only NAME,NAME] [--work target/clients] [--jobs 3]

A client is one file here (or a folder, for Rust), which says in its first lines what it is and what it needs:

    # client: NAME            what it is called in the list
    # install: pip A B        packages taken by name into the work folder: pip, npm or go
    # needs: java mvn         programs that must be there, or it is skipped
    # alone                   runs when no other client does
    # long                    is begun first

A client whose packages cannot be had is skipped with the reason, one that does not compile has failed; the others run all the same. A whole run
in which fewer than CLIENTS_MIN pass (all of them, unless the environment says how many there are on a machine without Java, say) has failed.
What a script gets:

    BOOTSTRAP                         a listener without TLS and login
    BOOTSTRAP_SASL_SSL, CA_FILE       TLS and a login: SASL_USER and SASL_PASSWORD by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
    BOOTSTRAP_SSL, CLIENT_CERT, _KEY  mutual TLS: clients show a certificate (CLIENT_PEM has both)
    TRIPLINE                          the program under test
    KAFKA_TOOLS                       the script that runs Apache Kafka's tools
    WORK                              a folder for what is built, kept from run to run
    HERE                              the folder of this script
    NAME                              a word that no other script has, for topics and groups

A script ends with code 0 when all its assertions held, and with 77 when a program that it starts is not here; its last line is shown.
One that fails is run once more under another NAME, and both ends are shown: some clients lose against the clock on a full machine. More than
AGAIN_MAX of those are a failure of their own, and so are a panic in the server's log and an end of the server with another code than 0.
The last line here is 'N passed, N failed, N skipped'.
"""
import argparse, concurrent.futures, os, pathlib, re, shutil, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE / 'lib'))
import scram, skipped

SUFFIXES = ('.py', '.js', '.mjs', '.sh', '.go', '.rs')
USER, PASSWORD = 'analyst', 'correct horse'
CLIENT_SECONDS, INSTALL_SECONDS = 300, 900
INSTALLS_MAX, INSTALL_PAUSE_SECONDS = 3, 10
# How many clients may need a second run.
AGAIN_MAX = 2

ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(ROOT / 'target/debug/tripline'))
ap.add_argument('--only', default='', help='names (or parts of them) separated by commas')
ap.add_argument('--work', default=str(ROOT / 'target/clients'))
ap.add_argument('--jobs', type=int, default=3)
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)
# Build systems that ask for Node's headers find the ones that are installed.
os.environ.setdefault('npm_config_nodedir', str(pathlib.Path(shutil.which('node') or '/usr/bin/node').resolve().parent.parent))


class Missing(Exception):
    """Something that a client needs is not to be had."""


class Broken(Exception):
    """What is ours of a client does not compile."""


class Client:
    def __init__(self, path):
        self.path = path
        source = path / 'src/main.rs' if path.is_dir() else path
        self.says = {}
        for line in source.read_text().splitlines()[:12]:
            said = re.match(r'(?:#|//!?) (client|install|needs|alone|long)\b:?\s*(.*)$', line)
            if said:
                self.says.setdefault(said[1], []).append(said[2].strip())
        self.name = self.says.get('client', [path.stem])[0]
        self.word = re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')
        self.folder = work / self.word

    def command(self):
        """Installs what is missing and returns the command."""
        for program in ' '.join(self.says.get('needs', [])).split():
            if not shutil.which(program):
                raise Missing(f'{program} is not installed')
        self.folder.mkdir(exist_ok=True)
        packages = {}
        for line in self.says.get('install', []):
            registry, *names = line.split()
            packages.setdefault(registry, []).extend(names)
        if self.path.is_dir():
            return self.cargo()
        if self.path.suffix == '.go':
            return self.go(packages.get('go', []))
        if self.path.suffix in ('.js', '.mjs'):
            return self.node(packages.get('npm', []))
        if self.path.suffix == '.py':
            return self.python(packages.get('pip', []))
        return ['bash', str(self.path)]

    def python(self, packages):
        interpreter = self.folder / 'venv/bin/python'
        if not packages:
            return [sys.executable, str(self.path)]
        if self.is_new(packages):
            shutil.rmtree(self.folder / 'venv', ignore_errors=True)
            self.install(sys.executable, '-m', 'venv', str(self.folder / 'venv'))
            # Of pykafka and the like the part in Python is enough.
            self.install(str(interpreter), '-m', 'pip', 'install', '-q', *packages, env={'RDKAFKA_INSTALL': '0'})
            self.is_done(packages)
        return [str(interpreter), str(self.path)]

    def node(self, packages):
        if not shutil.which('npm'):
            raise Missing('npm is not installed')
        # Modules are looked for beside the script.
        shutil.copy(self.path, self.folder / self.path.name)
        if self.is_new(packages):
            shutil.rmtree(self.folder / 'node_modules', ignore_errors=True)
            (self.folder / 'package.json').write_text('{"private": true}')
            self.install('npm', 'install', '--no-audit', '--no-fund', *packages)
            self.is_done(packages)
        return ['node', str(self.folder / self.path.name)]

    def go(self, modules):
        if not shutil.which('go'):
            raise Missing('go is not installed')
        source, checks = self.path.read_text(), (HERE / 'lib/checks.go').read_text()
        if self.is_new([source, checks]):
            (self.folder / 'main.go').write_text(source)
            (self.folder / 'checks.go').write_text(checks)
            (self.folder / 'go.mod').unlink(missing_ok=True)
            self.install('go', 'mod', 'init', 'client')
            self.install('go', 'get', *modules)
            self.install('go', 'mod', 'tidy')
            self.compile('go', 'build', '-o', 'client', '.')
            self.is_done([source, checks])
        return [str(self.folder / 'client')]

    def cargo(self):
        if not shutil.which('cargo'):
            raise Missing('cargo is not installed')
        manifest = str(self.path / 'Cargo.toml')
        self.install('cargo', 'fetch', '-q', '--locked', '--manifest-path', manifest)
        self.compile('cargo', 'build', '-q', '--locked', '--offline', '--target-dir', str(self.folder), '--manifest-path', manifest)
        return [str(self.folder / 'debug/client')]

    def install(self, *command, env={}):
        log = work / f'{self.word}.install.log'
        for left in range(INSTALLS_MAX, 0, -1):
            with open(log, 'w') as out:
                try:
                    done = subprocess.run(command, cwd=self.folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, timeout=INSTALL_SECONDS)
                except subprocess.TimeoutExpired:
                    raise Missing(f'{command[0]} took too long')
            if not done.returncode:
                return
            if left > 1:
                # Registries fail for a moment.
                time.sleep(INSTALL_PAUSE_SECONDS)
        else:
            last = (log.read_text().strip().splitlines() or [''])[-1]
            raise Missing(f'{" ".join(map(os.path.basename, command[:3]))} failed: {last[:200]}')

    def compile(self, *command):
        """As `install`, of what is here already: only our own source can be wrong."""
        try:
            self.install(*command)
        except Missing as why:
            raise Broken(str(why))

    def is_new(self, wanted):
        done = self.folder / 'installed'
        return not done.exists() or done.read_text() != '\n'.join(wanted)

    def is_done(self, wanted):
        (self.folder / 'installed').write_text('\n'.join(wanted))

    def run(self, command, env, word):
        """Returns how it ended, and its last words."""
        env = {**env, 'NAME': word, 'WORK': str(self.folder), 'HERE': str(HERE)}
        out = work / f'{word}.log'
        with open(out, 'w') as log:
            try:
                done = subprocess.run(command, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                      timeout=CLIENT_SECONDS)
            except subprocess.TimeoutExpired:
                return 'failed', f'not done after {CLIENT_SECONDS} s\n' + out.read_text(errors='replace')[-1500:]
        text = out.read_text(errors='replace')
        last = (text.strip().splitlines() or [''])[-1][:180]
        verdict = {0: 'passed', skipped.CODE: 'skipped'}.get(done.returncode, 'failed')
        return verdict, text[-3000:] if verdict == 'failed' else last


def certificates(folder):
    """An authority of our own, a server's certificate for 127.0.0.1 and a client's."""
    def sign(name, *extensions):
        more = [part for extension in extensions for part in ('-addext', extension)]
        by = [] if name == 'ca' else ['-CA', 'ca.pem', '-CAkey', 'ca.key']
        subprocess.run(['openssl', 'req', '-x509', *by, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj',
                        f'/CN={name}', '-keyout', f'{name}.key', '-out', f'{name}.pem', *more], cwd=folder, check=True, capture_output=True)
    sign('ca', 'keyUsage=keyCertSign')
    sign('server', 'basicConstraints=critical,CA:FALSE', 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    sign('client', 'basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=clientAuth')
    for name in ('server', 'client'):
        (folder / f'{name}.store.pem').write_text((folder / f'{name}.key').read_text() + (folder / f'{name}.pem').read_text())


def start(folder):
    """Starts the server; returns it and the addresses of its listeners."""
    server = subprocess.Popen(
        [a.binary, 'server', '--data', str(folder / 'data'), '--listen', '127.0.0.1:0', '--kafka-listen', '127.0.0.1:0',
         '--kafka-listen', 'SASL_SSL://127.0.0.1:0', '--kafka-listen', 'SSL://127.0.0.1:0', '--set', 'num.partitions=4',
         '--set', f'ssl.keystore.location={folder}/server.store.pem', '--set', f'ssl.truststore.location={folder}/ca.pem',
         '--set', 'ssl.client.auth=required', '--set', f'plain.sasl.jaas.config=user_{USER}="{PASSWORD}"'],
        stdout=subprocess.PIPE, stderr=open(work / 'server.log', 'w'), text=True)
    addresses = []
    while len(addresses) < 3:
        line = server.stdout.readline()
        if not line:
            sys.exit(f'the server did not start, see {work}/server.log')
        addresses += re.findall(r'Kafka clients on (\S+)', line)
    return server, addresses


def main():
    clients = [Client(path) for path in sorted(HERE.iterdir())
               if path.suffix in SUFFIXES and path.name != 'run.py' or (path / 'Cargo.toml').exists()]
    only = list(filter(None, a.only.split(',')))
    passed_min = 0 if only else int(os.environ.get('CLIENTS_MIN', len(clients)))
    clients = [client for client in clients if not only or any(word in client.name or word in client.word for word in only)]
    count, talking, again = {'passed': 0, 'failed': 0, 'skipped': 0}, threading.Lock(), []

    def prepare(client):
        try:
            return client, client.command()
        except Missing as why:
            with talking:
                count['skipped'] += 1
                print(f'{client.name:42} skipped          {why}', flush=True)
        except Broken as why:
            with talking:
                count['failed'] += 1
                print(f'{client.name:42} FAILED           {why}, see {work}/{client.word}.install.log', flush=True)

    # Some wait for a registry while others compile.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        ready = list(filter(None, pool.map(prepare, clients)))
    ready.sort(key=lambda job: 'long' not in job[0].says)
    started = time.time()

    def run(client, command):
        begun = time.time()
        verdict, text = client.run(command, env, client.word)
        if verdict == 'failed':
            with talking:
                print(f'{client.name:42} failed, and is tried once more: {text}', flush=True)
            again.append(client.name)
            verdict, text = client.run(command, env, f'{client.word}-again')
            text += ' (the second time)'
        with talking:
            count[verdict] += 1
            print(f'{client.name:42} {verdict.replace("failed", "FAILED"):8}{time.time() - begun:5.1f} s  {text}', flush=True)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        certificates(folder)
        server, addresses = start(folder)
        try:
            scram.create_user(addresses[0], USER, PASSWORD)
            env = dict(os.environ, BOOTSTRAP=addresses[0], BOOTSTRAP_SASL_SSL=addresses[1], BOOTSTRAP_SSL=addresses[2], SASL_USER=USER,
                       SASL_PASSWORD=PASSWORD, CA_FILE=str(folder / 'ca.pem'), CLIENT_CERT=str(folder / 'client.pem'),
                       CLIENT_KEY=str(folder / 'client.key'), CLIENT_PEM=str(folder / 'client.store.pem'), TRIPLINE=str(pathlib.Path(a.binary).resolve()),
                       KAFKA_TOOLS=str(ROOT.parent / 'shared/tools/apache_kafka.py'), PYTHONUNBUFFERED='1')
            with concurrent.futures.ThreadPoolExecutor(max(1, a.jobs)) as pool:
                list(pool.map(lambda job: run(*job), [job for job in ready if 'alone' not in job[0].says]))
            for job in ready:
                if 'alone' in job[0].says:
                    run(*job)
        finally:
            server.terminate()
            try:
                ended = server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                ended = 'nothing within 10 s'
    wrong = [f'the server ended with {ended}'] * (ended != 0)
    wrong += [f'the server said: {line}' for line in (work / 'server.log').read_text(errors='replace').splitlines() if 'panicked' in line]
    if len(again) > AGAIN_MAX:
        wrong.append(f'{len(again)} clients needed a second run, {AGAIN_MAX} may')
    if count['passed'] < passed_min:
        wrong.append(f'{count["passed"]} clients passed, {passed_min} are asked for (CLIENTS_MIN)')
    for line in wrong:
        print(f'FAILED: {line}')
    count['failed'] += len(wrong)
    print(f'{count["passed"]} of {len(clients)} clients pass ({len(again)} at the second try or not at all), in {time.time() - started:.0f} s')
    print(', '.join(f'{number} {what}' for what, number in count.items()))
    sys.exit(1 if count['failed'] else 0)


main()
