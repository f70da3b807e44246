"""Checks a signed dataset with the reference libraries of DSSE and in-toto: check_signature.py DATASET PUBLIC_KEY."""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from google.protobuf.json_format import Parse
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

dataset, key_file = Path(sys.argv[1]), Path(sys.argv[2])
public = load_pem_public_key(key_file.read_bytes())
der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
key_id = hashlib.sha256(der).hexdigest()

stored = json.loads((dataset / "signatures" / f"{key_id}.json").read_text())
envelope = Envelope.from_dict(stored)
envelope.verify([SSlibKey.from_crypto(public, keyid=key_id)], threshold=1)
assert envelope.payload_type == "application/vnd.in-toto+json"

statement = Parse(envelope.payload, statement_pb2.Statement())
Statement.copy_from_pb(statement).validate()
digests = {subject.name: dict(subject.digest) for subject in statement.subject}

manifest = (dataset / "dataset.json").read_bytes()
assert digests["dataset.json"] == {"sha256": hashlib.sha256(manifest).hexdigest()}
lines = [
    f"{hashlib.sha256(record.read_bytes()).hexdigest()}  {record.name}\n"
    for record in sorted((dataset / "records").iterdir())
]
assert digests["records"] == {"dirHash1": hashlib.sha256("".join(lines).encode()).hexdigest()}
for entry in json.loads(manifest)["shards"] + json.loads(manifest)["files"]:
    found = hashlib.sha256((dataset / entry["key"]).read_bytes()).hexdigest()
    assert found == entry["sha256"], entry["key"]
print(key_id)
