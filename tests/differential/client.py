"""One connection that sends requests and gives back every field of the answers."""
import socket
import struct

from messages import Malformed, varint, within


class Closed(Exception):
    """The broker closed the connection."""


class Client:
    def __init__(self, messages, address, client_id='differential', timeout_s=10):
        self.messages, self.client_id = messages, client_id
        host, port = address.rsplit(':', 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        self.correlation_id = 0

    def close(self):
        self.socket.close()

    def send(self, api, version, values):
        request = self.messages[f'{api}Request']
        self.send_body(api, version, request.encode(version, values))

    def send_body(self, api, version, body):
        """A header that is right before a body that may not be."""
        request = self.messages[f'{api}Request']
        self.correlation_id += 1
        client_id = self.client_id.encode()
        header = struct.pack('>hhih', request.api_key, version, self.correlation_id, len(client_id)) + client_id
        if within(version, request.flexible):
            header += varint(0)
        self.send_frame(header + body)

    def send_frame(self, frame):
        self.socket.sendall(struct.pack('>i', len(frame)) + frame)

    def receive(self, api, version):
        response = self.messages[f'{api}Response']
        frame = self.receive_frame()
        correlation_id = struct.unpack('>i', frame[:4])[0]
        if correlation_id != self.correlation_id:
            raise Malformed(f'correlation id {correlation_id}, {self.correlation_id} was sent')
        at = 4
        if within(version, response.flexible) and api != 'ApiVersions':
            if frame[4]:
                raise Malformed('the header has tags')
            at = 5
        return response.decode(version, frame[at:])

    def receive_frame(self):
        return self._exactly(struct.unpack('>i', self._exactly(4))[0])

    def _exactly(self, size):
        data = b''
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionResetError:
                more = b''
            if not more:
                raise Closed('the connection was closed')
            data += more
        return data

    def ask(self, api, version, values):
        self.send(api, version, values)
        return self.receive(api, version)
