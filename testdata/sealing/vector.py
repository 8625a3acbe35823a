#!/usr/bin/env python3
"""Writes the test vector of sealed files, from the text of core/src/sealed/mod.rs alone: by OpenSSL (python3-cryptography), not by siprec.

master.hex   the master key
data.key     a key file, wrapped by it
whole.sealed a sealed file under that data key, of kind 2; its content is 70,000 octets: the n-th is (n * 7 + n // 256) % 256
"""
import hashlib, hmac, pathlib, struct, zlib
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).parent
mac = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()

master = bytes(range(32))
data_key = bytes(range(100, 132))
clear = b"SPRCKEY1" + mac(master, b"siprec master id")[:8]
nonce = bytes([0xA0] * 12)
key_file = clear + nonce + AESGCM(mac(master, b"siprec master wrap")).encrypt(nonce, data_key, clear)
key_file += struct.pack("<I", zlib.crc32(key_file))
assert len(key_file) == 80

header = b"SPRCSEAL" + struct.pack("<BBHI", 1, 2, 0, 65536) + bytes(range(200, 232))
cipher = AESGCM(mac(data_key, b"siprec sealed file" + header))
plain = bytes((n * 7 + n // 256) % 256 for n in range(70_000))
# Written as: 65,400 octets, which leaves a gap of 44, then the rest, which is the last.
sealed, count = header, 0
for offset, content, last in [(0, plain[:65_400], 0), (65_400, plain[65_400:], 1)]:
    if 65536 - len(sealed) % 65536 < 48:
        sealed += bytes(65536 - len(sealed) % 65536)
    count += 1
    nonce = bytes([count] * 12)
    head = struct.pack("<IIQ", len(content), last, offset)
    sealed += head + nonce + cipher.encrypt(nonce, content, head + struct.pack("<Q", len(sealed)))

(HERE / "master.hex").write_text(master.hex() + "\n")
(HERE / "data.key").write_bytes(key_file)
(HERE / "whole.sealed").write_bytes(sealed)
