"""An engine in another language, for tests: it waits instead of sampling, and logs when its device was busy.

usage: waiting-engine.py SECONDS_PER_BATCH LOG [CRASH_SEED]
"""

import json
import os
import struct
import sys
import time

SIZE = 64
# The gate "sex" rejects images of odd seeds.
REJECTS = os.environ.get("ENGINE_REJECTS") == "odd"
seconds, log = float(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
# How many images it would compute for any request.
rows = int(os.environ.get("ENGINE_ROWS", "1"))
crash_seed = int(sys.argv[3]) if len(sys.argv) > 3 else None
requests, answers = os.fdopen(3, "rb"), os.fdopen(4, "wb")


def send(header, body=b""):
    data = json.dumps(header).encode()
    answers.write(struct.pack("<II", len(data), len(body)) + data + body)
    answers.flush()


def pixels(seed):
    return bytes((seed * (i + 1) >> 13) & 0xFF for i in range(SIZE * SIZE))


def verdicts(seed):
    return {"sex": {"score": 0.5, "passed": seed % 2 == 0}} if REJECTS else {}


send({"type": "hello", "protocol": int(os.environ.get("ENGINE_PROTOCOL", "3")), "engine": "waiting", "version": "1"})
while prefix := requests.read(8):
    header_length, body_length = struct.unpack("<II", prefix)
    message = json.loads(requests.read(header_length))
    requests.read(body_length)
    if message["type"] == "start":
        device = os.environ.get("CUDA_VISIBLE_DEVICES")
        log.write(json.dumps({"device": device, "pid": os.getpid()}) + "\n")
        send({"type": "ready", "provider": "waiting", "reason": f"device {device}", "rows": rows})
        continue
    begin = time.time()
    time.sleep(seconds)
    images = message["images"]
    if crash_seed is not None and any(image["seed"] == crash_seed for image in images):
        os.abort()
    busy = {"begin": begin, "end": time.time(), "device": os.environ.get("CUDA_VISIBLE_DEVICES"), "images": len(images)}
    log.write(json.dumps(busy) + "\n")
    size = {"width": SIZE, "height": SIZE, "channels": 1}
    body = b"".join(pixels(image["seed"]) for image in images)
    send({"type": "images", "id": message["id"], "images": [size] * len(images), "verdicts": [verdicts(image["seed"]) for image in images]}, body)
