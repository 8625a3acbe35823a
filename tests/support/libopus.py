"""Decodes Opus packets by libopus itself, a peer that is not ours, where some of them did not come.

python3 libopus.py PACKETS SAMPLES_OUT.raw plc|fec

A packet is read as its length in two octets (little end first) and its octets; a lost one has length 0. It is concealed, or with `fec`
decoded from what the packet after it carries. Samples are 48 kHz, one channel; a packet lasts 20 ms.
"""
import ctypes
import sys

library = ctypes.CDLL("libopus.so.0")
library.opus_decoder_create.restype = ctypes.c_void_p
library.opus_decode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]

data, packets = open(sys.argv[1], "rb").read(), []
while data:
    length = int.from_bytes(data[:2], "little")
    packets.append(data[2:2 + length])
    data = data[2 + length:]
decoder = library.opus_decoder_create(48000, 1, ctypes.byref(ctypes.c_int()))
with open(sys.argv[2], "wb") as decoded:
    for packet, after in zip(packets, packets[1:] + [b""]):
        out = ctypes.create_string_buffer(1920)
        if packet:
            made = library.opus_decode(decoder, packet, len(packet), out, 960, 0)
        elif sys.argv[3] == "fec" and after:
            made = library.opus_decode(decoder, after, len(after), out, 960, 1)
        else:
            made = library.opus_decode(decoder, None, 0, out, 960, 0)
        assert made == 960, made
        decoded.write(out.raw[:1920])
