"""What the C2PA project's own library says of signed images: check_credentials.py AUTHORITY.pem FILE..., a line of JSON for each."""

import json
import mimetypes
import sys

import c2pa

with open(sys.argv[1]) as anchors:
    context = c2pa.Context.from_dict({"trust": {"trust_anchors": anchors.read()}, "verify": {"verify_trust": True}})
for path in sys.argv[2:]:
    with open(path, "rb") as image, c2pa.Reader(mimetypes.guess_type(path)[0], image, context=context) as reader:
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    [actions] = [one["data"]["actions"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2"]
    failures = [one["code"] for one in store["validation_results"]["activeManifest"]["failure"]]
    print(json.dumps({"state": store["validation_state"], "failures": failures, "title": manifest["title"], "actions": actions}))
