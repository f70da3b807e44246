"""Builds OpenLineage events with its own Python library from what their JSON says, and compares: check_lineage.py EVENTS.jsonl."""

import json
import sys

from openlineage.client import generated
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated import dataset_version_dataset, error_message_run, job_type_job, output_statistics_output_dataset, processing_engine_run
from openlineage.client.serde import Serde

assert generated
FACETS = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}


def facets(found):
    """Facets by the library's classes, which know their fields and the address of their schema."""
    return {
        name: FACETS[name](producer=facet["_producer"], **{key: value for key, value in facet.items() if not key.startswith("_")})
        for name, facet in found.items()
    }


def rebuild(event):
    """The same event by the library."""
    job, run = event["job"], event["run"]
    return RunEvent(
        eventTime=event["eventTime"],
        eventType=RunState(event["eventType"]),
        producer=event["producer"],
        run=Run(runId=run["runId"], facets=facets(run["facets"])),
        job=Job(namespace=job["namespace"], name=job["name"], facets=facets(job["facets"])),
        inputs=[InputDataset(one["namespace"], one["name"], facets=facets(one["facets"])) for one in event["inputs"]],
        outputs=[
            OutputDataset(one["namespace"], one["name"], facets=facets(one["facets"]), outputFacets=facets(one["outputFacets"]))
            for one in event["outputs"]
        ],
    )


with open(sys.argv[1]) as lines:
    events = [json.loads(line) for line in lines]
for event in events:
    rebuilt = Serde.to_dict(rebuild(event))
    if rebuilt != event:
        sys.exit(f"the library writes {json.dumps(rebuilt, indent=1)}\nfor {json.dumps(event, indent=1)}")
print(json.dumps([event["eventType"] for event in events]))
