"""Makes a user for SCRAM logins with nothing but a socket: one AlterUserScramCredentials request, version 0."""
import hashlib, os, socket, struct

API, ITERATIONS = 51, 4096
MECHANISMS = {1: 'sha256', 2: 'sha512'}


def _compact(data):
    length, out = len(data) + 1, b''
    while length > 127:
        out, length = out + bytes([length & 127 | 128]), length >> 7
    return out + bytes([length]) + data


def create_user(address, user, password):
    body = b'\x01' + bytes([len(MECHANISMS) + 1])
    for number, digest in MECHANISMS.items():
        salt = os.urandom(16)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, ITERATIONS)
        body += _compact(user.encode()) + struct.pack('>bi', number, ITERATIONS) + _compact(salt) + _compact(salted) + b'\0'
    header = struct.pack('>hhi', API, 0, 1) + struct.pack('>h', 4) + b'scrm' + b'\0'
    frame = header + body + b'\0'
    host, port = address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(struct.pack('>i', len(frame)) + frame)
        stream = connection.makefile('rb')
        answer = stream.read(struct.unpack('>i', stream.read(4))[0])
    # correlation id, tags, throttle time, then one result (name, code, message, tags) a credential
    at = 4 + 1 + 4 + 1
    for _ in range(answer[at - 1] - 1):
        name = answer[at] - 1
        code = struct.unpack('>h', answer[at + 1 + name:at + 3 + name])[0]
        assert code == 0, f'the user {user} is refused with error {code}'
        at += 3 + name
        at += max(answer[at], 1) + 1
