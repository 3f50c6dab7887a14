"""Statements and pages of a server over HTTP."""
import json, urllib.error, urllib.request


class Http:
    def __init__(self, server):
        self.server = server

    def post(self, path, body, limit=10):
        """Returns status and text."""
        request = urllib.request.Request(f'http://{self.server.http}{path}', json.dumps(body).encode(), {'Content-Type': 'application/json'})
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def statement(self, text):
        return self.post('/ksql', {'ksql': text})

    def must(self, text):
        status, answer = self.statement(text)
        if status != 200:
            raise SystemExit(f'{text}: {status} {answer}')
        return answer

    def get(self, path):
        """Returns status and text."""
        try:
            with urllib.request.urlopen(f'http://{self.server.http}{path}', timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
