"""A Stable Diffusion pipeline of diffusers as ONNX graphs."""

import json
import os
import shutil
from pathlib import Path

from .errors import NEVER, TRY_AGAIN, ExportError
from .output import whole_folder

OPSET = 18
PIPELINE = "StableDiffusionPipeline"
KEPT = ("model_index.json", "scheduler", "tokenizer", "text_encoder", "unet", "vae_decoder")
NEEDED = ("scheduler", "tokenizer", "text_encoder", "unet", "vae")


def export_pipeline(source: str, output: Path) -> None:
    """Exports `hf:REPO[@REVISION]` or a folder to `output`, float32."""
    folder, name = (fetch(source[3:]) if source.startswith("hf:") else (Path(source), source))
    check_pipeline(folder, name)
    # Everything is on this machine now.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from optimum.exporters.onnx import main_export

    with whole_folder(output) as unfinished:
        main_export(str(folder), str(unfinished), task="text-to-image", opset=OPSET, do_validation=False)
        for entry in unfinished.iterdir():
            if entry.name not in KEPT:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        forget_paths(unfinished)
        # The terms under which the model was given: `cohortfarm push` carries them along.
        if (folder / "README.md").is_file():
            shutil.copyfile(folder / "README.md", unfinished / "README.md")


def fetch(repository: str) -> tuple[Path, str]:
    """The parts of a repository of the Hugging Face Hub that a pipeline needs, in its cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    name, _, revision = repository.partition("@")
    wanted = ["model_index.json", "README.md", *(f"{part}/*" for part in NEEDED)]
    unwanted = ["*.bin", "*.ckpt", "*.msgpack", "*.fp16.*", "*.non_ema.*", "*.onnx*"]
    try:
        folder = snapshot_download(name, revision=revision or None, allow_patterns=wanted, ignore_patterns=unwanted)
    except GatedRepoError as error:
        raise ExportError(f"hf:{name} is gated; accept its terms at https://huggingface.co/{name} and set HF_TOKEN", NEVER) from error
    except RevisionNotFoundError as error:
        raise ExportError(f"hf:{name} has no revision {revision}; correct it") from error
    except RepositoryNotFoundError as error:
        raise ExportError(f"hf:{name} is not there, or is private; correct the name, or set HF_TOKEN") from error
    except LocalEntryNotFoundError as error:
        raise ExportError(
            f"hf:{name} cannot be downloaded: {os.environ.get('HF_ENDPOINT', 'https://huggingface.co')} cannot be reached; "
            "check the network, or give the folder of a download",
            TRY_AGAIN,
        ) from error
    except HfHubHTTPError as error:
        raise ExportError(f"hf:{name} cannot be downloaded: {error}; try again", TRY_AGAIN) from error
    except ValueError as error:
        raise ExportError(f"hf:{name} is not the name of a repository ({error}); write hf:OWNER/NAME") from error
    return Path(folder), f"hf:{name}"


def check_pipeline(folder: Path, name: str) -> None:
    """Refuses in a second what the export would refuse, or get wrong, after minutes."""
    index = folder / "model_index.json"
    if not index.is_file():
        if (folder / "unet" / "model.onnx").is_file():
            raise ExportError(f"{name} holds ONNX graphs already; check it with `cohortfarm model check`")
        raise ExportError(f"{name} is not a diffusers pipeline: there is no model_index.json; give the folder of save_pretrained, or hf:OWNER/NAME")
    try:
        described = json.loads(index.read_text())
        pipeline = described["_class_name"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{index} is not valid ({error}); download the model again") from error
    if (folder / "unet" / "model.onnx").is_file():
        raise ExportError(f"{name} holds ONNX graphs already; check it with `cohortfarm model check`")
    if pipeline != PIPELINE:
        raise ExportError(f"{name} is a {pipeline}; only {PIPELINE} (Stable Diffusion 1 and 2) is supported")
    missing = [part for part in NEEDED if not (folder / part).is_dir()]
    if missing:
        raise ExportError(f"{name} lacks {', '.join(missing)}; download the whole model")


def forget_paths(folder: Path) -> None:
    """Removes from every config the path of the machine it was made on, which would change the digest."""
    for path in folder.rglob("*.json"):
        config = json.loads(path.read_text())
        if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n")
