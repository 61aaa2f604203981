"""A mail gateway that hangs up on the first two attempts, to have something to retry."""

from collections.abc import Sequence
from smtplib import SMTPServerDisconnected

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

from deferred_signals import current_message
from demo_site.shop.timeline import note

FAILURES = 2


class FlakyGateway(EmailBackend):
    """Write mails to files, and fail at the first attempts."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send the mails, or raise what smtplib raises when a gateway hangs up."""
        message = current_message()
        if message is not None and message.attempt <= FAILURES:
            note("the gateway hung up", order=email_messages[0].extra_headers["X-Order"])
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        return super().send_messages(email_messages)
