"""`python -m phantom`: renders, trains, exports, evaluates. Finished stages in --work are reused."""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .data import SEED, Phantoms, phantoms
from .diffusion import new_models, pipeline, train_cycle
from .encoder import encoder_metrics, train_encoder
from .evaluate import GUIDANCE, STEPS, TOLERANCE, gate_metrics, generate, pass_rates
from .export import export_encoder, export_gate, export_pipeline, largest_differences
from .gates import GATES, GateNet, decoded, fuse_norms, train_gate
from .prompts import write_tokenizer
from .sheet import write_sheet
from .vae import round_trip, train_vae

FOLDER = Path(__file__).resolve().parents[2]
say = partial(print, flush=True)


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    work, output = args.work, args.output
    work.mkdir(parents=True, exist_ok=True)
    if args.only_encoder:
        add_encoder(work, output, args)
        return
    data = phantoms(args.phantoms, "train")
    tokenizer = write_tokenizer(work / "tokenizer")
    vae = stage_vae(work, data, args)
    encoder, unet = stage_diffusion(work, vae, tokenizer, data, args)
    nets = stage_gates(work, vae, args)

    pipe = pipeline(vae, encoder, unet, tokenizer)
    export_pipeline(pipe, output)
    for gate in GATES:
        export_gate(gate, nets[gate.name], output / "gates" / gate.name)
    say("exported")
    metrics = evaluate(pipe, nets, output, args)
    (output / "metrics.json").write_text(json.dumps(rounded(metrics), indent=2) + "\n")
    add_encoder(work, output, args)
    write_sheet(output, output / "docs" / "sheet.png")
    say(json.dumps(rounded(metrics), indent=2))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="phantom", description=__doc__)
    parser.add_argument("--work", type=Path, default=FOLDER / "training" / "work", help="finished stages, safe to delete")
    parser.add_argument("--output", type=Path, default=FOLDER, help="the model folder to write")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--phantoms", type=int, default=6000)
    parser.add_argument("--vae-steps", type=int, default=900)
    parser.add_argument("--diffusion-steps", type=int, nargs="+", default=[1000, 800], help="steps of each cycle")
    parser.add_argument("--gate-steps", type=int, default=500)
    parser.add_argument("--encoder-phantoms", type=int, default=3000)
    parser.add_argument("--encoder-steps", type=int, default=400)
    parser.add_argument("--only-encoder", action="store_true", help="train the encoder for a finished model folder")
    parser.add_argument("--each", type=int, default=6, help="images per cell in the evaluation")
    return parser.parse_args()


def stage_vae(work: Path, data: Phantoms, args) -> AutoencoderKL:
    folder = work / "vae"
    if not folder.exists():
        timed(work, "vae", lambda: train_vae(data, args.vae_steps, say).save_pretrained(folder))
    return AutoencoderKL.from_pretrained(folder).eval()


def stage_diffusion(work: Path, vae, tokenizer: CLIPTokenizer, data: Phantoms, args):
    models = None
    for cycle, steps in enumerate(args.diffusion_steps, 1):
        folder = work / f"diffusion-{cycle}"
        if not folder.exists():

            def run():
                start = models or new_models(tokenizer, data, say)
                encoder, unet = train_cycle(start, cycle, vae, tokenizer, data, steps, say)
                encoder.save_pretrained(folder / "text_encoder")
                unet.save_pretrained(folder / "unet")

            timed(work, folder.name, run)
        models = (
            CLIPTextModel.from_pretrained(folder / "text_encoder").eval(),
            UNet2DConditionModel.from_pretrained(folder / "unet").eval(),
        )
    return models


def stage_gates(work: Path, vae, args) -> dict[str, GateNet]:
    path = work / "gates.pt"
    if not path.exists():

        def run():
            data = phantoms(args.phantoms, "gates", several_findings=0.15)
            torch.manual_seed(SEED)
            drawn = decoded(vae, data)
            nets = {gate.name: train_gate(gate, data, drawn, args.gate_steps, say) for gate in GATES}
            torch.save({name: net.state_dict() for name, net in nets.items()}, path)

        timed(work, "gates", run)
    saved, nets = torch.load(path), {}
    for gate in GATES:
        nets[gate.name] = GateNet(gate).eval()
        fuse_norms(nets[gate.name])
        nets[gate.name].load_state_dict(saved[gate.name])
    return nets


def add_encoder(work: Path, output: Path, args) -> None:
    """Trains the encoder on films and the finished model's drawings of them; adds its figures to metrics.json."""
    vae = AutoencoderKL.from_pretrained(output / "diffusers" / "vae", torch_dtype=torch.float32).eval()
    data = phantoms(args.encoder_phantoms, "encoder", several_findings=0.15)
    start = time.time()
    net = train_encoder(data, vae, args.encoder_steps, say)
    minutes = (time.time() - start) / 60
    export_encoder(net, output / "encoder")
    path = output / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["training minutes"]["encoder"] = minutes
    metrics["steps"]["encoder"] = args.encoder_steps
    metrics["parameters"]["encoder"] = sum(parameter.numel() for parameter in net.parameters())
    metrics["encoder on held-out phantoms"] = encoder_metrics(net, vae, data, phantoms(2000, "test"))
    path.write_text(json.dumps(rounded(metrics), indent=2) + "\n")


def timed(work: Path, stage: str, run) -> None:
    """Runs a stage and notes its minutes beside its product."""
    start = time.time()
    run()
    (work / f"{stage}.minutes").write_text(f"{(time.time() - start) / 60:.1f}")


def evaluate(pipe, nets: dict[str, GateNet], output: Path, args) -> dict:
    held_out = phantoms(2000, "test")
    error = abs(round_trip(pipe.vae, held_out.films).astype(float) - held_out.films).mean() / 127.5
    torch.manual_seed(SEED)
    films, people, seconds = generate(output, args.each)
    count = lambda module: sum(parameter.numel() for parameter in module.parameters())
    return {
        "seed": SEED,
        "training minutes": {path.stem: float(path.read_text()) for path in sorted(args.work.glob("*.minutes"))},
        "steps": {"vae": args.vae_steps, "diffusion": args.diffusion_steps, "gate": args.gate_steps},
        "parameters": {
            "text encoder": count(pipe.text_encoder),
            "unet": count(pipe.unet),
            "vae encoder": count(pipe.vae.encoder) + count(pipe.vae.quant_conv),
            "vae decoder": count(pipe.vae.decoder) + count(pipe.vae.post_quant_conv),
            **{f"gate {name}": count(net) for name, net in nets.items()},
        },
        "vae mean error on -1..1": error,
        "largest difference of ONNX and torch": largest_differences(pipe, nets, output),
        "gates on held-out phantoms": gate_metrics(nets, pipe.vae, held_out),
        "sampling": {"steps": STEPS, "guidance": GUIDANCE, "tolerance": TOLERANCE, "seconds a film": seconds},
        "generated films that pass": pass_rates(films, people, nets),
    }


def rounded(value):
    """Floats to four significant digits, all the way down."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
