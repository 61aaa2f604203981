"""The outbox and the map of receivers in Django's admin.

Django imports this package where ``django.contrib.admin`` is installed, and nothing else does. For an
admin site of the project's own, register the classes there::

    site.register(OutboxMessage, MessageAdmin)
    site.register(Receiver, ReceiverAdmin)

===============  ==============================================================================
`messages`       the list of messages, and the page of one
`acting`         replay, discard and cancel, and what became of it
`receivers`      the map, with its pauses
`asked`          what the address of a list asks for
`boards`,        what the pages show: the states at a glance, a line of the list, the facts and
`lines`,         the values of one message, the connections of the map, and its diagram
`facts`,
`values`,
`connections`,
`diagram`
`read_only`      an admin in which nothing is added, changed or deleted
===============  ==============================================================================
"""

from django.contrib import admin

from deferred_signals.outbox.admin.messages import MessageAdmin
from deferred_signals.outbox.admin.receivers import ReceiverAdmin
from deferred_signals.outbox.models import OutboxMessage, Receiver

__all__ = ["MessageAdmin", "ReceiverAdmin"]

admin.site.register(OutboxMessage, MessageAdmin)
admin.site.register(Receiver, ReceiverAdmin)
