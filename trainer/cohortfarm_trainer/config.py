"""The config of a stage: a JSON file, checked against the schema that is generated from contract/schema/stage.ts."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from .errors import UsageError

NETWORK = ("architecture", "imageSize", "labels")
# Which sections each type of stage needs.
NEEDS = {
    "Pretrain": (*NETWORK, "train"),
    "Finetune": (*NETWORK, "train", "weights"),
    "Evaluate": (*NETWORK, "models", "sites"),
    "Compare": (*NETWORK, "compare", "sites"),
    "Audit": ("predictions",),
    "Check": ("labels", "checks"),
}
# Hyperparameters that keep what given weights have learned; to random ones they do harm.
PRESUPPOSE_WEIGHTS = {"freezeNorms", "layerDecay", "probeSteps"}


def schema(name: str) -> dict[str, Any]:
    """A generated JSON Schema: `stage`, `metrics` or `outcome`."""
    return json.loads(resources.files(__package__).joinpath(f"schemas/{name}.json").read_text())


def read_config(path: str, command: str) -> dict[str, Any]:
    """The config with all defaults.

    Raises UsageError that lists everything that is wrong with it.
    """
    try:
        config = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"the config {path} cannot be read as JSON: {error}", "ConfigMissing") from error
    return check_config(config, command)


def check_config(config: Any, command: str) -> dict[str, Any]:
    """As `read_config`, for a config that is read already."""
    validator = Draft202012Validator(schema("stage"))
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.absolute_path)))
    lines = [f"{path_of(error.absolute_path)}: {error.message}" for error in errors]
    kind = config.get("type") if isinstance(config, dict) else None
    if isinstance(kind, str) and kind.lower() != command:
        lines.append(f"type: {kind!r} is not what the command {command} does; write {command.capitalize()!r}")
    lines += [f"{name}: is required for {kind}" for name in NEEDS.get(kind or "", ()) if name not in config]
    if not errors:
        lines += [f"{place}.{line}" for place, hyper in _hyperparameters(config) if "steps" in hyper for line in too_long(hyper, hyper["steps"])]
    if lines:
        raise UsageError("the config is not valid:\n" + "\n".join(lines))
    if any(str(config.get(field, "")).startswith("timm") for field in ("architecture", "weights")):
        from .timm_models import check_config as check_timm

        check_timm(config)
    return with_defaults(config, schema("stage"))


def _hyperparameters(config: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Those of a config, each with the section that it is of."""
    compare = config.get("compare", {})
    parts = {"train": config.get("train"), **{f"compare.{name}": compare.get(name) for name in ("pretrain", "finetune")}}
    return [(place, part["hyperparameters"]) for place, part in parts.items() if part]


def too_long(hyper: dict[str, Any], steps: int) -> list[str]:
    """A line for each beginning of a run that its steps do not outlast: its peak would never come, or the network never learn."""
    found = [name for name in ("warmupSteps", "probeSteps") if hyper.get(name, 0) >= max(1, steps)]
    return [f"hyperparameters.{name}: {hyper[name]} is not less than the {steps} steps of the run; lower it, or train longer" for name in found]


def path_of(keys) -> str:
    """`train.data[0]` for the keys of a jsonschema error."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.lstrip(".") or "(config)"


def with_defaults(value: Any, rules: dict[str, Any]) -> Any:
    """The value with the defaults of its schema, all the way down."""
    if not isinstance(value, dict) or "properties" not in rules:
        return value
    filled = dict(value)
    for name, rule in rules["properties"].items():
        if name in filled:
            filled[name] = with_defaults(filled[name], rule)
        elif "default" in rule:
            filled[name] = with_defaults(rule["default"], rule)
    return filled


def config_digest(config: dict[str, Any]) -> str:
    """SHA-256 over all that decides a result: not where it goes, not how many processes load images or pods train runs."""
    decisive = {key: value for key, value in config.items() if key not in ("output", "s3", "name")}
    if "compare" in decisive:
        compare = {key: value for key, value in decisive["compare"].items() if key not in ("shares", "runs")}
        if "Mixed" in compare["baselines"]:
            compare["design"] = 3  # before, its batches grew with the number of synthetic images
        elif any(compare[part]["hyperparameters"].keys() & PRESUPPOSE_WEIGHTS for part in ("pretrain", "finetune")):
            compare["design"] = 2  # in the first one arms from random weights took them, too
        decisive["compare"] = compare
    text = json.dumps(_without_how(decisive), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_how(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_how(item)
            for key, item in value.items()
            if key not in ("loaderWorkers", "checkpointSeconds")
        }
    return value
