"""The command `pointssl models`: the encoders that come with the package, and what is known of each."""

from pathlib import Path

from tyro.conf import Positional

from pointssl.app.tables import two_columns
from pointssl.progress import make_console, say

console = make_console()


def models(name: Positional[str] = "") -> None:
    """List the encoders that come with the package, or show the card of one.

    Args:
        name: the encoder whose card is shown; all are listed without.
    """
    from pointssl.runs import shipped

    if not name:
        shown = [shipped.card(one) for one in shipped.MODELS]
        if not shown:
            say("this version ships no encoder", console)
        console.print(two_columns((one.name, one.about) for one in shown))
        return
    card = shipped.card(name)
    rows = [
        ("name", card.name),
        ("what", card.about),
        ("trained on", f"{card.trained_on}, {card.clouds_seen:,} clouds seen"),
        ("command", card.command),
        ("not for", card.not_for),
        ("licence", card.licence),
        ("figures", f"percent right, frozen, beside the random-init baseline; from {card.source}"),
    ]
    console.print(two_columns(rows))
    scores = ((f"  {one.data}, {one.protocol}", f"{one.encoder:.1f} against {one.baseline:.1f}") for one in card.scores)
    console.print(two_columns(scores))


def import_weights(file: Positional[Path], *, layout: str, out: Path, points: int = 1024) -> None:
    """Write the encoder of another project's weight file as a folder that every command takes, and report every name.

    Nothing in the file is run: a child process reads tensors alone (torch.load with weights_only) and ends.

    Args:
        file: the project's .pth, .pt, .t7 or .safetensors file.
        layout: how the project names its weights: pointnet, dgcnn, occo-pointnet, occo-pcn, occo-dgcnn, crosspoint or
            point-mae.
        out: folder to write.
        points: points per cloud that the encoder is evaluated on.
    """
    from pointssl.runs.public_weights import import_public

    report = import_public(file, layout, out, points=points)
    say(str(report), console)
    say(f"wrote {out}; go on: pointssl evaluate {out} --data SET", console)


def untrained(backbone: Positional[str], *, out: Path, points: int = 1024, seed: int = 0) -> None:
    """Write an encoder without training as a folder that every command takes: a baseline, or a descriptor.

    point-nn and spherical-harmonics have no weights: this is all there is to them.

    Args:
        backbone: name of the network, as `pointssl untrained NONE --out X` lists them.
        out: folder to write.
        points: points per cloud that the encoder is evaluated on.
        seed: decides the weights, where the network has any.
    """
    from pointssl.runs.publish import save_untrained

    save_untrained(backbone, out, points=points, seed=seed)
    say(f"wrote {out}; go on: pointssl evaluate {out} --data SET", console)
