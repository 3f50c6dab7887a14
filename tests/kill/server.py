"""A server that can be killed and comes back at the same addresses."""
import re, signal, subprocess, threading, time


class Server:
    def __init__(self, binary, folder, log, settings=()):
        self.under = []  # a command that runs the server's
        self.binary, self.folder, self.log, self.settings = binary, folder, open(log, 'a'), settings
        self.address, self.http, self.process, self.starts = '127.0.0.1:0', '127.0.0.1:0', None, 0

    def spawn(self):
        """Starts the process without waiting for it to be ready."""
        settings = [part for setting in self.settings for part in ('--set', setting)]
        self.process = subprocess.Popen(
            [*self.under, self.binary, 'server', '--data', self.folder, '--listen', self.http, '--kafka-listen', self.address, *settings],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.starts += 1

    def wait_until_ready(self, limit=60):
        """Reads what the process prints until it says where it listens; returns the seconds that took."""
        started = time.time()
        watchdog = threading.Timer(limit, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                if found := re.search(r'http://(\S+:\d+)', line):
                    self.http = found.group(1)
                if found := re.search(r'Kafka clients on (\S+)', line):
                    self.address = found.group(1)
                    # What it prints later must not fill the pipe.
                    threading.Thread(target=self.process.stdout.read, daemon=True).start()
                    return time.time() - started
        finally:
            watchdog.cancel()
        raise SystemExit(f'the server did not start, exit code {self.process.wait()}, see {self.log.name}')

    def start(self):
        self.spawn()
        return self.wait_until_ready()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)
