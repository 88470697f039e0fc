"""Every dialogue that a machine must get right, by machine. Names begin with the row of the wire facts they come from.

Rows: P.. quirks and bugs, I.. Office 365 IMAP, G.. Gmail IMAP, Y.. Yahoo IMAP, P-.. POP3, S.. SMTP.
"""

from itertools import chain

from tests.protocols.dialogues import (
    bearer_downstream,
    imap_downstream,
    imap_upstream,
    pop3_downstream,
    pop3_upstream,
    proof_downstream,
    smtp_downstream,
    smtp_upstream,
)

BY_MACHINE = {
    module.__name__.rpartition(".")[2]: module.DIALOGUES
    for module in (
        imap_downstream,
        imap_upstream,
        pop3_downstream,
        pop3_upstream,
        smtp_downstream,
        smtp_upstream,
        bearer_downstream,
        proof_downstream,
    )
}
DIALOGUES = list(chain.from_iterable(BY_MACHINE.values()))
