"""The user's errors are one kind, and hints name what was probably meant."""

import pytest

from pointssl import errors
from pointssl.errors import UserError, nearest

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, UserError)]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds__are_caught_as_user_errors_and_say_only_their_message(kind: type[UserError]) -> None:
    with pytest.raises(UserError) as caught:
        raise kind("cannot read a.ply; give it read permission")
    assert str(caught.value) == "cannot read a.ply; give it read permission"
    assert kind.__doc__


def test_kinds__are_all_here() -> None:
    names = {kind.__name__ for kind in KINDS}
    named = {"DataError", "SettingError", "RunError", "DiskFullError", "TrainingStopped", "Interrupted"}
    assert names >= {"UserError"} | named


def test_nearest__suggests_a_misspelt_name() -> None:
    assert nearest("dgcn", ["pointnet", "dgcnn"]) == " (did you mean 'dgcnn'?)"


def test_nearest__lists_the_choices_where_nothing_is_near() -> None:
    assert nearest("transformer", ["pointnet", "dgcnn"]) == " (choose from: dgcnn, pointnet)"
