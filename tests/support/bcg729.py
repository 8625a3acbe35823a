"""Encodes and decodes G.729 by libbcg729, a peer that is not ours: samples in, payloads and samples out.

python3 bcg729.py SAMPLES.raw FRAMES.g729 SAMPLES_OUT.raw [dtx]

A frame is written as its length in an octet and its octets; a frame that is not sent has length 0.
"""
import ctypes
import sys

library = ctypes.CDLL("libbcg729.so.0")
library.initBcg729EncoderChannel.restype = ctypes.c_void_p
library.initBcg729EncoderChannel.argtypes = [ctypes.c_uint8]
library.bcg729Encoder.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint8)]
library.initBcg729DecoderChannel.restype = ctypes.c_void_p
library.bcg729Decoder.argtypes = [ctypes.c_void_p, ctypes.c_char_p] + [ctypes.c_uint8] * 4 + [ctypes.c_char_p]

samples = open(sys.argv[1], "rb").read()
encoder = library.initBcg729EncoderChannel(1 if sys.argv[4:] == ["dtx"] else 0)
decoder = library.initBcg729DecoderChannel()
with open(sys.argv[2], "wb") as frames, open(sys.argv[3], "wb") as decoded:
    for at in range(0, len(samples) - 159, 160):
        octets, length = ctypes.create_string_buffer(10), ctypes.c_uint8()
        library.bcg729Encoder(encoder, samples[at:at + 160], octets, ctypes.byref(length))
        out = ctypes.create_string_buffer(160)
        payload = octets.raw[:length.value]
        library.bcg729Decoder(decoder, payload, len(payload), 0 if payload else 1, 1 if len(payload) == 2 else 0, 0, out)
        frames.write(bytes([len(payload)]) + payload)
        decoded.write(out.raw)
