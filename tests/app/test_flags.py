"""A framed complaint becomes one line."""

from pointssl.app.flags import complaint


def test_complaint__keeps_the_fault_and_the_first_hint() -> None:
    box = """╭─ Unrecognized options ─────────────╮
│ Unrecognized options: --epoch      │
│ ────────────────────────────────── │
│ Perhaps you meant:                 │
│     --epochs FLOAT                 │
│     --step-epochs FLOAT            │
│ ────────────────────────────────── │
│ For full helptext, run x --help    │
╰────────────────────────────────────╯"""
    assert complaint(box) == "Unrecognized options: --epoch (did you mean --epochs?)"


def test_complaint__without_a_box_still_says_something() -> None:
    assert complaint("") == "the command line could not be read"
