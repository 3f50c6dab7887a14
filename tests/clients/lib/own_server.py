"""A Tripline server of a script's own, for those that end it or kill it; it comes back on the same ports with the same data."""
import os, re, socket, subprocess


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder, self.address = folder, f'127.0.0.1:{free_port()}'

    def start(self):
        log = open(self.folder / 'server.log', 'a')
        self.process = subprocess.Popen([os.environ['TRIPLINE'], 'server', '--data', str(self.folder / 'data'), '--listen', '127.0.0.1:0',
                                         '--kafka-listen', self.address], stdout=subprocess.PIPE, stderr=log, text=True)
        while not re.search(r'Kafka clients on', line := self.process.stdout.readline()):
            assert line, f'the server did not start, see {log.name}'

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0, 'the server did not stop'

    def kill(self):
        self.process.kill()
        self.process.wait()
