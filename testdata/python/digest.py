"""A SIP client that shares no code with siprec: an INVITE over UDP or TCP, its challenge answered (RFC 7616, RFC 8760).

digest.py HOST PORT udp|tcp ALGORITHM USER PASSWORD: prints the statuses that it was given, one a line, and whether
the same credentials were taken a second time.
"""

import hashlib
import re
import secrets
import socket
import sys

host, port, carrier, algorithm, user, password = sys.argv[1:7]
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512-256": lambda octets: hashlib.new("sha512_256", octets)}
URI = f"sip:srs@{host}:{port}"


def digest(text):
    return HASHES[algorithm](text.encode()).hexdigest()


class Peer:
    def __init__(self):
        kind = socket.SOCK_DGRAM if carrier == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(8)
        self.socket.connect((host, int(port)))
        self.held = b""
        self.local = "%s:%d" % self.socket.getsockname()
        self.tag, self.call_id = secrets.token_hex(8), secrets.token_hex(8)

    def send(self, method, cseq, to_tag="", more="", body=""):
        via = f"SIP/2.0/{carrier.upper()} {self.local};branch=z9hG4bK{secrets.token_hex(8)};rport"
        head = [
            f"{method} {URI} SIP/2.0",
            f"Via: {via}",
            "Max-Forwards: 70",
            f"From: <sip:{user}@{self.local}>;tag={self.tag}",
            f"To: <{URI}>{to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{user}@{self.local};transport={carrier}>;+sip.src",
            "Require: siprec",
        ]
        if body:
            head.append("Content-Type: application/sdp")
        head.append(f"Content-Length: {len(body)}")
        self.socket.sendall(("\r\n".join(head) + "\r\n" + more + "\r\n" + body).encode())

    def message(self):
        if carrier == "udp":
            return self.socket.recv(65536).decode()
        while True:
            head, separator, rest = self.held.partition(b"\r\n\r\n")
            if separator:
                length = int(re.search(rb"(?im)^Content-Length:\s*(\d+)", head).group(1))
                if len(rest) >= length:
                    self.held = rest[length:]
                    return (head + separator + rest[:length]).decode()
            octets = self.socket.recv(65536)
            if not octets:
                raise SystemExit("the connection was closed")
            self.held += octets

    def final(self):
        while True:
            message = self.message()
            if message.startswith("SIP/2.0 ") and not message.startswith("SIP/2.0 1"):
                return int(message.split()[1]), message


def challenge(response):
    for line in response.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "www-authenticate":
            fields = {k.lower(): q or t for k, q, t in re.findall(r'([\w-]+)=(?:"([^"]*)"|([^\s,"]+))', value)}
            if fields.get("algorithm", "MD5").upper() == algorithm:
                return fields
    raise SystemExit(f"no challenge for {algorithm}")


def credentials(fields):
    cnonce, count = secrets.token_hex(8), "00000001"
    secret = digest(f"{user}:{fields['realm']}:{password}")
    response = digest(f"{secret}:{fields['nonce']}:{count}:{cnonce}:auth:{digest(f'INVITE:{URI}')}")
    return (
        f'Authorization: Digest username="{user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{URI}", '
        f'response="{response}", algorithm={algorithm}, cnonce="{cnonce}", qop=auth, nc={count}\r\n'
    )


def to_tag(response):
    return re.search(r"(?im)^To:.*(;tag=[^\s;]+)", response).group(1)


def invite(peer, cseq, more=""):
    address = peer.local.split(":")[0]
    sdp = (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        "m=audio 40000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n"
    )
    peer.send("INVITE", cseq, more=more, body=sdp)
    status, response = peer.final()
    print(status)
    peer.send("ACK", cseq, to_tag(response))
    return status, response


peer = Peer()
_, asked = invite(peer, 1)
answer = credentials(challenge(asked))
status, response = invite(peer, 2, answer)
if status == 200:
    peer.send("BYE", 3, to_tag(response))
    print(peer.final()[0])
    invite(Peer(), 1, answer)
