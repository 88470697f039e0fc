"""Is a login made as the dialogues say?"""

import pytest

from emailproxy.testing.dialogue import Dialogue, replay
from tests.protocols.dialogues.pop3_upstream import DIALOGUES


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda d: d.name)
def test_dialogue(dialogue: Dialogue) -> None:
    replay(dialogue)
